import { extname } from 'node:path';
import { OptionError } from '../../errors.js';
import { assertWritable, writeAtomically } from '../../io/atomic.js';
import { encodeCsv } from '../../io/csv.js';
import type { NdArray } from '../../io/npy.js';
import { encodeNpz } from '../../io/npz.js';
import type { LikelihoodResult } from '../../likelihood/summary.js';
import { counted, evaluationRange } from './report.js';

/**
 * @throws OptionError for a path whose ending is no form of results; OutputError where nothing can be written there; LoadError
 *   for a picture where sharp is not installed.
 */
export async function checkResultPath(path: string): Promise<void> {
  const ending = extname(path).toLowerCase();
  if (!['.csv', '.npz', '.png'].includes(ending)) {
    throw new OptionError(
      'output',
      path,
      'a file ending in .csv, .npz or .png, or a folder, such as results/',
    );
  }
  await assertWritable(path);
  if (ending === '.png') await (await import('../../io/sharp.js')).loadSharp();
}

/** Log-densities of the samples of a data set from `first` on, with their classes where they have some. */
export interface Scored {
  readonly result: LikelihoodResult;
  readonly first: number;
  readonly labels?: Int32Array;
}

/** Results per sample by name. */
export function resultColumns({
  result,
  first,
  labels,
}: Scored): Readonly<Record<string, Int32Array | Float64Array>> {
  const { logDensity, bitsPerDim, standardError, derivative, elbo, evaluations } = result;
  return {
    index: Int32Array.from(logDensity, (_, i) => first + i),
    ...(labels && { label: labels }),
    log_density: logDensity,
    bits_per_dim: bitsPerDim,
    ...(standardError && { standard_error: standardError }),
    ...(derivative.error && { derivative_error: derivative.error }),
    ...(elbo && { elbo_bits_per_dim: elbo.bitsPerDim, elbo_standard_error: elbo.standardError }),
    evaluations,
  };
}

/** Writes results in the form that the ending of the path asks for. */
export async function writeResults(path: string, scored: Scored): Promise<void> {
  const columns = resultColumns(scored);
  switch (extname(path).toLowerCase()) {
    case '.csv':
      return writeAtomically(path, encodeCsv(columns));
    case '.npz': {
      const arrays = Object.entries(columns).map(([name, data]): [string, NdArray] => [
        name,
        { data, shape: [data.length] },
      ]);
      return writeAtomically(path, encodeNpz(Object.fromEntries(arrays)));
    }
    default: {
      const { writeHistogram } = await import('../../io/histogram.js');
      const { result } = scored;
      const shown =
        result.epsilon.bins !== undefined
          ? { values: result.bitsPerDim, label: 'bits/dim' }
          : { values: result.logDensity, label: 'log-density (nats)' };
      const title = `${counted(result.logDensity.length, 'sample')}, mean ${meanText(result)}`;
      return writeHistogram(path, { ...shown, title });
    }
  }
}

/** The mean with its standard error: in bits/dim where there are bins, otherwise in nats. */
function meanText({ logDensity, mean, epsilon }: LikelihoodResult): string {
  if (epsilon.bins !== undefined) return `${withError(mean.bitsPerDim, mean.standardError)} bits/dim`;
  const n = logDensity.length;
  const average = logDensity.reduce((sum, value) => sum + value, 0) / n;
  const squares = logDensity.reduce((sum, value) => sum + (value - average) ** 2, 0);
  const nats = withError(average, Math.sqrt(squares / (n - 1) / n));
  return `${nats} nats (${mean.bitsPerDim.toPrecision(4)} bits/dim)`;
}

function withError(value: number, error: number | undefined): string {
  if (error === undefined || !(error > 0)) return value.toPrecision(6);
  const digits = Math.min(12, Math.max(0, 1 - Math.floor(Math.log10(error))));
  return `${value.toFixed(digits)} ± ${error.toFixed(digits)}`;
}

/** What a run found, in a few lines. */
export function summaryOf(result: LikelihoodResult): string {
  const { mean, elbo, epsilon, trace, derivative, evaluations, seconds, logDensity } = result;
  const own =
    mean.estimatorError === undefined
      ? ''
      : `; ${mean.estimatorError.toPrecision(2)} bits/dim of the error from the estimate, the rest from the choice of data`;
  const noise = epsilon.bins === undefined ? '' : ` (${epsilon.bins.toPrecision(3)} bins)`;
  return [
    `${counted(logDensity.length, 'sample')}: ${meanText(result)}${own}`,
    ...(elbo
      ? [
          `bound by the reverse-time SDE: at most ${withError(elbo.mean.bitsPerDim, elbo.mean.standardError)} bits/dim`,
        ]
      : []),
    `density at t = ${epsilon.t}, noise ${epsilon.sigma.toPrecision(3)}${noise}`,
    `${trace} trace by ${derivative.method}${derivativeError(derivative.error)}`,
    `${evaluationRange(evaluations)} evaluations each, ${seconds.toFixed(1)} s`,
  ].join('\n');
}

function derivativeError(errors: Float64Array | undefined): string {
  if (!errors) return '';
  return `, whose error may reach ${errors.reduce((a, b) => Math.max(a, b)).toPrecision(2)} bits/dim`;
}
