import test from 'ava';
import { OptionError } from '../../src/errors.js';
import { ladderFromName } from '../../src/sde/named-ladder.js';
import { spacedLevels } from '../../src/sde/spaced-levels.js';

const ladder = ladderFromName({ name: 'linear' });
const noise = Array.from(ladder.sigma, (sigma, i) => sigma / ladder.alpha[i]!);

test('levels are the nearest to the noise levels of the grid, with both ends', (t) => {
  const rules = {
    'uniform-lambda': [Math.log, Math.exp],
    karras: [(x: number) => x ** (1 / 7), (u: number) => u ** 7],
    arctan: [(x: number) => Math.atan(x / 0.5), (u: number) => 0.5 * Math.tan(u)],
  } as const;
  for (const [grid, [even, noiseOf]] of Object.entries(rules)) {
    const levels = spacedLevels(ladder, { steps: 12, grid: grid as keyof typeof rules });
    t.is(levels[0], 0);
    t.is(levels.at(-1), 999);
    levels.forEach((level, k) => {
      const [low, high] = [even(noise[0]!), even(noise[999]!)];
      const target = Math.log(noiseOf(low + (k / 11) * (high - low)));
      const distance = (i: number) => Math.abs(Math.log(noise[i]!) - target);
      const nearest = noise.reduce((best, _, i) => (distance(i) < distance(best) ? i : best), 0);
      t.is(level, nearest, `${grid}, ${k}`);
    });
  }
});

test('every level comes once, however many steps there are', (t) => {
  for (const steps of [1, 2, 400, 999, 1000]) {
    const levels = spacedLevels(ladder, { steps, grid: 'uniform-lambda' });
    t.is(levels.length, steps);
    t.is(levels.at(-1), 999);
    t.true(levels.every((level, k) => k === 0 || level > levels[k - 1]!));
  }
});

test('a level without signal is the last, and no end of the grid', (t) => {
  const zero = ladderFromName({ name: 'scaled-linear', zeroTerminalSnr: true });
  const levels = spacedLevels(zero, { steps: 5, grid: 'uniform-lambda' });
  t.deepEqual([levels.length, levels[0], levels[3], levels[4]], [5, 0, 998, 999]);
});

test('grids that are not of noise levels, and a rho that is not theirs, are named', (t) => {
  const refused: [Parameters<typeof spacedLevels>[1], string][] = [
    [{ steps: 3, grid: 'uniform-t' }, 'grid'],
    [{ steps: 3, grid: 'uniform-lambda', rho: 3 }, 'rho'],
    [{ steps: 1001, grid: 'karras' }, 'steps'],
  ];
  for (const [options, option] of refused) {
    const error = t.throws(() => spacedLevels(ladder, options), { instanceOf: OptionError });
    t.is(error.option, option);
  }
});
