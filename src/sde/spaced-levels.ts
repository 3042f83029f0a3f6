import { OptionError } from '../errors.js';
import { checkChoice, checkInteger, checkNumber } from '../options.js';
import type { GridName } from './names.js';
import type { Ladder } from './sde.js';

/** Grids that depend on the noise level sigma / alpha alone. */
const noiseGrids = [
  'uniform-lambda',
  'exponential',
  'karras',
  'arctan',
] as const satisfies readonly GridName[];

/**
 * Levels of a ladder, rising, `steps` of them with both ends: those whose noise levels are nearest to the ones of a named grid over the
 * same range, each once. Where the last level has no signal, the grid ends at the one before it.
 *
 * @throws OptionError for a grid that is not one of noise levels, and for more steps than there are levels.
 */
export function spacedLevels(
  { levels, alpha, sigma }: Ladder,
  {
    steps,
    grid,
    rho = 7,
    sigmaData = 0.5,
  }: { steps: number; grid: GridName; rho?: number | undefined; sigmaData?: number | undefined },
): Int32Array {
  checkInteger('steps', steps, 1, levels);
  checkNumber('rho', rho, 0);
  const name = checkChoice('grid', grid, noiseGrids);
  if (rho !== 7 && name !== 'karras') throw new OptionError('rho', rho, `left out with grid '${name}'`);
  const ends = alpha[levels - 1] === 0 && steps > 1 ? [levels - 1] : [];
  const most = levels - 1 - ends.length;
  const count = steps - ends.length;
  const [even, noiseOf] = {
    'uniform-lambda': [Math.log, Math.exp],
    exponential: [Math.log, Math.exp],
    karras: [(noise: number) => noise ** (1 / rho), (u: number) => u ** rho],
    arctan: [(noise: number) => Math.atan(noise / sigmaData), (u: number) => sigmaData * Math.tan(u)],
  }[name] as [(noise: number) => number, (u: number) => number];
  const noise = Float64Array.from(sigma, (s, i) => s / alpha[i]!);
  const [low, high] = [even(noise[0]!), even(noise[most]!)];
  const chosen: number[] = [];
  for (let k = 0; k < count; k++) {
    const target = Math.log(count === 1 ? noise[most]! : noiseOf(low + (k / (count - 1)) * (high - low)));
    const distance = (i: number) => Math.abs(Math.log(noise[i]!) - target);
    // Every later level needs one of its own too.
    let best = (chosen.at(-1) ?? -1) + 1;
    for (let i = best + 1; i <= most - (count - 1 - k); i++) if (distance(i) < distance(best)) best = i;
    chosen.push(best);
  }
  return Int32Array.from([...chosen, ...ends]);
}
