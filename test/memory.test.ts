import test from 'ava';
import { OptionError } from '../src/errors.js';
import { sample } from '../src/sampling/sample.js';
import { GaussianMixture } from '../src/score/mixture/mixture.js';
import { mixtureModel } from '../src/score/mixture/model.js';
import { vp } from '../src/sde/vp.js';

test('a count whose samples would not fit into memory is refused before anything runs', (t) => {
  const model = mixtureModel(new GaussianMixture({ weights: [1], means: [[0, 0]], covariances: [[[1, 0], [0, 1]]] }), vp()); // prettier-ignore
  t.throws(() => sample(model, { count: 1e13 }), {
    instanceOf: OptionError,
    message: /^count must be at most \d+ in the memory of this machine .*sampleShards/,
  });
});
