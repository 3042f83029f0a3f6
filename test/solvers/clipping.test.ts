import test from 'ava';
import { OptionError } from '../../src/errors.js';
import { sample } from '../../src/sampling/sample.js';
import { functionModel } from '../../src/score/function.js';
import { vp } from '../../src/sde/vp.js';
import { predictorOptions, type PredictorName } from '../../src/solvers/names.js';

/** A network whose estimate of x_0 is the same everywhere. */
const estimate = [-3, -0.5, 0.25, 2];
const model = functionModel({
  shape: [estimate.length],
  sde: vp(),
  parameterization: 'x0',
  evaluate(_, __, output) {
    output.forEach((_, i) => {
      output[i] = estimate[i % estimate.length]!;
    });
  },
});
const clippers = Object.entries(predictorOptions)
  .filter(([, options]) => (options as readonly string[]).includes('clip'))
  .map(([name]) => name as PredictorName);

/** Where a sampler ends whose last step leads to the data's neighbourhood without noise. */
async function ended(name: PredictorName, clip: boolean | number): Promise<Float32Array> {
  const options = {
    solver: { name, clip },
    steps: 12,
    grid: 'karras',
    epsilon: 1e-4,
    denoise: 'mean',
    count: 1,
  } as const;
  return (await sample(model, options)).samples;
}

for (const name of clippers) {
  test(`${name}: the estimate is left, clipped or brought into the range by its quantile`, async (t) => {
    // The quantile 0.9 of 0.25, 0.5, 2, 3 lies 0.7 of the way from 2 to 3.
    const bound = 2.7;
    for (const [clip, expected] of [
      [false, estimate],
      [true, [-1, -0.5, 0.25, 1]],
      [0.9, estimate.map((v) => Math.max(-1, v / bound))],
    ] as const) {
      const samples = await ended(name, clip);
      const worst = Math.max(...expected.map((v, i) => Math.abs(samples[i]! - v)));
      t.true(worst < 0.05, `clip ${clip}: ${samples.join(', ')}`);
    }
  });

  test(`${name} names what is no way to clip`, (t) => {
    for (const clip of [0, -0.5, 1.5, NaN, 'yes'] as const)
      t.throws(() => sample(model, { solver: { name, clip } }), { instanceOf: OptionError, message: /clip/ });
  });
}
