import type { Evaluation } from '../../evaluation/evaluate.js';

/** The results of an evaluation as lines of text, one metric a line. */
export function figuresOf(evaluation: Evaluation): string {
  const { frechet, kernel, inceptionScore, slicedWasserstein, memorisation, samples, features } = evaluation;
  const { generated, reference } = samples;
  const lines: [string, string][] = [];
  if (frechet) {
    const { bias, extrapolated } = frechet;
    const notes = [
      ...(bias === undefined ? [] : [`of which ${digits(bias)} is the bias of so few samples`]),
      ...(extrapolated ? [`${withError(extrapolated)} for infinitely many`] : []),
    ];
    lines.push(['Frechet distance', [withError(frechet), ...notes].join('; ')]);
  }
  if (kernel) lines.push(['kernel distance', withError(kernel)]);
  for (const name of ['precision', 'recall'] as const) {
    const share = evaluation[name];
    if (share) lines.push([name, withError(share)]);
  }
  for (const name of ['density', 'coverage'] as const) {
    const share = evaluation[name];
    if (share)
      lines.push([name, `${withError(share)}; ${digits(share.expectedIfEqual)} if the laws were equal`]);
  }
  if (inceptionScore) lines.push(['inception score', withError(inceptionScore)]);
  if (slicedWasserstein) lines.push(['sliced Wasserstein', withError(slicedWasserstein)]);
  if (memorisation) {
    const { ratio, standardError, close } = memorisation;
    const share = `${digits(100 * close)} % closer to the data than 99 % of held-out samples are`;
    lines.push(['memorisation', `${withError({ value: ratio, standardError })}; ${share}`]);
  }
  const width = lines.reduce((most, [name]) => Math.max(most, name.length), 0);
  const head = `${generated} samples against ${reference}, ${features} features\n`;
  return head + lines.map(([name, text]) => `${name.padEnd(width)}  ${text}\n`).join('');
}

/** A number with its standard error, where it has one. */
export function withError(
  { value, standardError }: { readonly value: number; readonly standardError?: number },
  precision = 4,
): string {
  const shown = digits(value, precision);
  return standardError === undefined ? shown : `${shown} ± ${Number(standardError.toPrecision(2))}`;
}

function digits(value: number, precision = 4): string {
  return String(Number(value.toPrecision(precision)));
}
