import test from 'ava';
import { loadModel, type LoadOptions } from '../../src/score/network/load.js';
import { sample, type SampleOptions } from '../../src/sampling/sample.js';
import { fixture, PIXELS, signed, unsigned, type GaussianImage } from '../support/gaussian-image.js';

const COUNT = 512;
const plain: SampleOptions = { count: COUNT, batch: 128, corrector: 'none', predictor: 'ancestral' };
const runs: [file: string, data: GaussianImage, load: LoadOptions, options: SampleOptions][] = [
  ['ddpm', signed, { sde: 'vp', parameterization: 'eps' }, { steps: 250 }],
  ['smld', unsigned, {}, { corrector: 'ald', correctorSteps: 20 }],
  ['edm', signed, {}, { steps: 250, grid: 'karras' }],
  ['vp-v', signed, {}, { steps: 200 }],
];

for (const [file, data, load, options] of runs) {
  test(`samples of ${file} have the mean and the spread of its data`, async (t) => {
    const model = await loadModel(fixture(file), load);
    const { samples } = await sample(model, { ...plain, ...options });
    await model.close();
    const levels = Array.from({ length: COUNT }, (_, i) =>
      mean(samples.subarray(i * PIXELS, (i + 1) * PIXELS)),
    );
    const texture = samples.map((value, i) => value - levels[Math.floor(i / PIXELS)]!);
    const spread = Math.hypot(data.a, data.s / 8);
    // Five standard errors, and 6 % for the discretisation and the noise that a ladder leaves.
    t.true(Math.abs(mean(levels) - data.mean) < (5 * spread) / Math.sqrt(COUNT), `mean ${mean(levels)}`);
    const ratio = deviation(levels) / spread;
    t.true(Math.abs(ratio - 1) < 5 / Math.sqrt(2 * COUNT) + 0.06, `spread of the mean ${ratio}`);
    const rough = deviation(texture) / (data.s * Math.sqrt(1 - 1 / PIXELS));
    t.true(Math.abs(rough - 1) < 0.1, `texture ${rough}`);
  });
}

test('a ladder can be walked by the corrector alone', async (t) => {
  const model = await loadModel(fixture('smld'));
  const { options, counts } = await sample(model, { count: 2, predictor: 'none', corrector: 'ald' });
  t.is(options['denoise'], 'tweedie');
  t.deepEqual([counts.score, counts.denoise], [20, 1]);
  await model.close();
});

function mean(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]!;
  return sum / values.length;
}

function deviation(values: ArrayLike<number>): number {
  const centre = mean(values);
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += (values[i]! - centre) ** 2;
  return Math.sqrt(sum / values.length);
}
