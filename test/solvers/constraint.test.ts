import test from 'ava';
import { OptionError } from '../../src/errors.js';
import type { NoiseAddress } from '../../src/device/binding.js';
import { sample, type SampleOptions } from '../../src/sampling/sample.js';
import { ve } from '../../src/sde/ve.js';
import type { Level } from '../../src/sde/level.js';
import type { Constraint } from '../../src/solvers/batch.js';
import { gaussianModel } from '../support/gaussian.js';

const model = gaussianModel(ve(), { shape: [1, 2, 2] });

/** What a constraint sees. */
function watcher(): Constraint & { readonly seen: { level: Level; address: NoiseAddress }[] } {
  const seen: { level: Level; address: NoiseAddress }[] = [];
  return { name: 'watcher', seen, apply: (_, level, address) => void seen.push({ level, address }) };
}

test('a constraint acts after every move, at the level it leads to, and after the denoising', async (t) => {
  const constraint = watcher();
  await sample(model, { count: 1, steps: 3, corrector: 'ald', correctorSteps: 2, constraints: [constraint] });
  const T = 1;
  const times = [T, T, 2 / 3, 2 / 3, 2 / 3, 1 / 3, 1 / 3, 1 / 3, 0, 0];
  t.true(constraint.seen.every(({ level }, i) => Math.abs(level.t - times[i]!) < 1e-4));
  t.is(constraint.seen.length, times.length);
  t.is(constraint.seen.at(-1)!.level.sigma, 0);
  const addresses = new Set(constraint.seen.map(({ address }) => `${address.step} ${address.substep ?? 0}`));
  t.is(addresses.size, times.length, 'fresh noise every time');
});

const y = Float32Array.from({ length: 5 * 4 }, (_, i) => 0.1 * i);
const mask = Float32Array.of(1, 0, 1, 0);
const known: Constraint = {
  name: 'known',
  options: { pixels: 2 },
  apply(batch, level, address) {
    batch.project(y, mask, level, address);
  },
};

for (const choice of [
  {},
  { solver: 'heun', steps: 10 },
  { predictor: 'ancestral', corrector: 'none' },
  { solver: { name: 'annealed-langevin', stepsPerLevel: 1 } },
] satisfies SampleOptions[]) {
  test(`what is known stays known, whatever the batch: ${JSON.stringify(choice)}`, async (t) => {
    const run = { count: 5, steps: undefined, ...choice, constraints: [known] };
    const options = 'solver' in choice ? run : { ...run, steps: 20 };
    const { samples, options: resolved } = await sample(model, options);
    samples.forEach((value, i) => {
      if (mask[i % 4]) t.is(value, y[i]!);
    });
    t.deepEqual((await sample(model, { ...options, batch: 2 })).samples, samples);
    t.deepEqual(resolved['constraints'], [{ name: 'known', pixels: 2 }]);
  });
}

test('constraints of another size, and with solvers that do not let them act, are refused', async (t) => {
  const refused = t.throws(() => sample(model, { solver: 'rk45', constraints: [known] }), {
    instanceOf: OptionError,
  });
  t.is(refused.option, 'constraints');
  const error = await t.throwsAsync(async () => sample(model, { count: 3, constraints: [known] }), {
    instanceOf: OptionError,
  });
  t.regex(error.message, /one sample of 4 elements, or 3 of them/);
});
