import test from 'ava';
import { ModelError, OptionError } from '../src/errors.js';
import { runFailure } from '../src/onnx/run/session.js';
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

test('a network without memory is told of in words, whoever says so', (t) => {
  for (const said of [
    'std::bad_alloc',
    "Non-zero status code returned while running Div node. Name:'' Status Message: bfc_arena.cc:360 Failed to allocate memory for requested buffer of size 627200000",
  ])
    for (const cause of [said, new Error(said)])
      t.like(runFailure({ x: { dims: [5, 2] } }, cause), {
        constructor: ModelError,
        message: 'There is not enough memory to run the network on x [5, 2]. A smaller batch takes less.',
      });
});
