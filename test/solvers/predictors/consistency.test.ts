import test from 'ava';
import { sample } from '../../../src/sampling/sample.js';
import { functionModel } from '../../../src/score/function.js';
import type { ScoreModel } from '../../../src/score/model.js';
import type { Ladder } from '../../../src/sde/sde.js';
import { ladderFromName } from '../../../src/sde/named-ladder.js';
import { edm } from '../../../src/sde/edm.js';
import { flow } from '../../../src/sde/flow.js';
import type { Sde } from '../../../src/sde/sde.js';
import { subvp } from '../../../src/sde/subvp.js';
import { ve } from '../../../src/sde/ve.js';
import { vp } from '../../../src/sde/vp.js';
import { gaussianModel, moments } from '../../support/gaussian.js';

/** The exact consistency function of data N(0.3, 0.5^2): where the probability flow takes x. */
function distilled(sde: Sde, options: { ladder?: Ladder } = {}): ScoreModel {
  return functionModel({
    shape: [20_000],
    sde,
    parameterization: 'x0',
    ...options,
    evaluate(x, [level], output) {
      const { alpha, sigma } = level!;
      const scale = 0.5 / Math.hypot(0.5 * alpha, sigma);
      for (let i = 0; i < x.length; i++) output[i] = 0.3 + scale * (x[i]! - 0.3 * alpha);
    },
  });
}

const zero = ladderFromName({ name: 'scaled-linear', levels: 600, zeroTerminalSnr: true });

for (const [name, model] of Object.entries({
  vp: distilled(vp()),
  subvp: distilled(subvp()),
  ve: distilled(ve()),
  edm: distilled(edm()),
  flow: distilled(flow()),
  'a ladder of zero terminal SNR': distilled(vp(), { ladder: zero }),
}))
  for (const steps of [1, 4])
    test(`a network that says x_0 draws the data at once: ${name}, ${steps} steps`, async (t) => {
      const { samples } = await sample(model, { count: 1, solver: 'consistency', steps, denoise: 'none' });
      const { mean, std } = moments(samples);
      t.true(Math.abs(mean - 0.3) < 0.02 && Math.abs(std - 0.5) < 0.02, `${mean} +- ${std}`);
    });

test('of a posterior mean, a step keeps its spread alone', async (t) => {
  const model = gaussianModel(edm(), { shape: [20_000] });
  const solver = { solver: 'consistency', grid: [80, 0.5, 0.002], denoise: 'none' } as const;
  const { samples } = await sample(model, { count: 1, ...solver });
  // x_0 at 80 has no spread left; at 0.5 its spread is that of x, 0.5, halved.
  const { mean, std } = moments(samples);
  t.true(Math.abs(mean - 0.3) < 0.01 && Math.abs(std - 0.25) < 0.01, `${mean} +- ${std}`);
});
