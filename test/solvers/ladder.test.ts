import test from 'ava';
import { sample } from '../../src/sampling/sample.js';
import { ddpmLadder, smldLadder } from '../../src/sde/ladder.js';
import { ve } from '../../src/sde/ve.js';
import { vp } from '../../src/sde/vp.js';
import { gaussianModel, moments } from '../support/gaussian.js';

// Ladders that are not those of the SDE whose name they go by: what a step does has to come from their levels, not from the SDE.
const cosine = (levels: number) => {
  const kept = (i: number) => Math.cos((((i / levels + 0.008) / 1.008) * Math.PI) / 2) ** 2;
  return ddpmLadder(Array.from({ length: levels }, (_, i) => Math.min(0.999, 1 - kept(i + 1) / kept(i))));
};
const karras = (levels: number) =>
  smldLadder(
    Array.from(
      { length: levels },
      (_, i) => (0.01 ** (1 / 7) + (i / (levels - 1)) * (50 ** (1 / 7) - 0.01 ** (1 / 7))) ** 7,
    ),
  );

for (const [name, sde, ladder] of [
  ['cosine betas', vp(), cosine(500)],
  ['sigmas even in their seventh root', ve({ sigmaMax: 50 }), karras(300)],
] as const) {
  test(`every predictor reaches the data law over ${name}`, async (t) => {
    for (const predictor of [
      'euler-maruyama',
      'reverse-diffusion',
      'ancestral',
      'ddim',
      'dpmpp-2m',
    ] as const) {
      const model = gaussianModel(sde, { shape: [20_000], change: { ladder } });
      const { samples } = await sample(model, { count: 1, predictor, corrector: 'none' });
      const { mean, std } = moments(samples);
      t.true(Math.abs(mean - 0.3) < 0.03 && Math.abs(std - 0.5) < 0.03, `${predictor}: ${mean} +- ${std}`);
    }
  });
}

test('the ald corrector takes its step from the level of the ladder', async (t) => {
  const ladder = karras(100);
  const model = gaussianModel(ve({ sigmaMax: 50 }), { shape: [40_000], change: { ladder } });
  const options = { predictor: 'none', corrector: 'ald', correctorSteps: 2, denoise: 'none' } as const;
  const { samples } = await sample(model, { count: 1, ...options });
  // x' = (1 - e / V) x + sqrt(2 e) z about the mean, with e = 2 (snr sigma)^2 and V the variance at the level.
  let [variance, centre] = [model.sde.priorSigma ** 2, -0.3];
  for (const sigma of Array.from(ladder.sigma).reverse()) {
    const e = 2 * (0.16 * sigma) ** 2;
    const kept = 1 - e / (0.25 + sigma ** 2);
    for (let k = 0; k < 2; k++) [variance, centre] = [kept ** 2 * variance + 2 * e, kept * centre];
  }
  const { mean, std } = moments(samples);
  t.true(Math.abs(std / Math.sqrt(variance) - 1) < 0.02, `${std} against ${Math.sqrt(variance)}`);
  t.true(Math.abs(mean - 0.3 - centre) < (5 * std) / 200, `${mean} against ${0.3 + centre}`);
});
