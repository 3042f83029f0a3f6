import { OptionError } from '../errors.js';
import { checkChoice, checkInteger, checkNumber } from '../options.js';
import type { GridName } from './names.js';
import type { Ladder } from './sde.js';

/** Grids that depend on the noise level sigma / alpha alone: a ladder is walked near their levels. */
export const noiseGrids: readonly ['uniform-lambda', 'exponential', 'karras', 'arctan'] = [
  'uniform-lambda',
  'exponential',
  'karras',
  'arctan',
];

/**
 * Levels of a ladder, rising, `steps` of them with both ends: those whose noise levels are nearest to the ones of a named grid over the
 * same range, each once. Where the last level has no signal, the grid ends at the one before it.
 *
 * @throws OptionError for a grid that is not one of noise levels, and for more steps than there are levels.
 */
export function spacedLevels(
  ladder: Ladder,
  {
    steps,
    grid,
    rho = 7,
    sigmaData = 0.5,
  }: { steps: number; grid: GridName; rho?: number | undefined; sigmaData?: number | undefined },
): Int32Array {
  const { levels, alpha, sigma } = ladder;
  checkInteger('steps', steps, 1, levels);
  checkNumber('rho', rho, 0);
  const name = checkChoice('grid', grid, noiseGrids);
  if (rho !== 7 && name !== 'karras') throw new OptionError('rho', rho, `left out with grid '${name}'`);
  const ends = alpha[levels - 1] === 0 ? [levels - 1] : [];
  const most = levels - 1 - ends.length;
  const count = steps - ends.length;
  const [even, noiseOf] = {
    'uniform-lambda': [Math.log, Math.exp],
    exponential: [Math.log, Math.exp],
    karras: [(noise: number) => noise ** (1 / rho), (u: number) => u ** rho],
    arctan: [(noise: number) => Math.atan(noise / sigmaData), (u: number) => sigmaData * Math.tan(u)],
  }[name] as [(noise: number) => number, (u: number) => number];
  const [low, high] = [0, most].map((i) => even(sigma[i]! / alpha[i]!)) as [number, number];
  const targets = Float64Array.from({ length: count }, (_, k) =>
    Math.log(noiseOf(count === 1 ? high : low + (k / (count - 1)) * (high - low))),
  );
  return Int32Array.from([...nearestLevels(ladder, targets), ...ends]);
}

/**
 * The levels of a ladder that are nearest to rising noise levels, each once.
 * @param noise ln(sigma / alpha), at most as many as there are levels with a signal.
 */
export function nearestLevels({ levels, alpha, sigma }: Ladder, noise: Float64Array): number[] {
  const most = alpha[levels - 1] === 0 ? levels - 2 : levels - 1;
  const own = Float64Array.from(sigma, (s, i) => Math.log(s / alpha[i]!));
  const chosen: number[] = [];
  for (const [k, target] of noise.entries()) {
    const distance = (i: number) => Math.abs(own[i]! - target);
    // Every later level needs one of its own too.
    let best = (chosen.at(-1) ?? -1) + 1;
    for (let i = best + 1; i <= most - (noise.length - 1 - k); i++)
      if (distance(i) < distance(best)) best = i;
    chosen.push(best);
  }
  return chosen;
}
