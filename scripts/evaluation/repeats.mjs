// How good the standard errors and the bias of the metrics are: repeats on normal samples of a known law.
//
//   npx tsc -p tsconfig.json && node scripts/evaluation/repeats.mjs [repeats = 10000] [metric]
//
// Prints, for each metric, the mean and the standard deviation over repeats beside the mean value and standard error that it states.

import { Stream } from '../../.test-build/src/device/binding.js';
import { fillNormal } from '../../.test-build/src/device/kernels.js';
import { featuresOf } from '../../.test-build/src/evaluation/features.js';
import { frechetDistance } from '../../.test-build/src/evaluation/frechet.js';
import { inceptionScore } from '../../.test-build/src/evaluation/inception-score.js';
import { kernelDistance } from '../../.test-build/src/evaluation/kernel.js';
import { manifoldMetrics } from '../../.test-build/src/evaluation/manifold.js';
import { slicedWasserstein } from '../../.test-build/src/evaluation/sliced-wasserstein.js';

const repeats = Number(process.argv[2] ?? 10000);
const only = process.argv[3];
const width = 8;
const count = 400;
const scales = [4, 2, 1, 1, 0.5, 0.25, 0.1, 0.01].map(Math.sqrt);
let drawn = 0;

/** Normal samples with standard deviations `scales` times `factor`, around `shift`. */
function draw(n, factor = 1, shift = 0) {
  const z = new Float32Array(n * width);
  fillNormal(z, n, { seed: 1n, samples: drawn, step: 0, stream: Stream.user });
  drawn += n;
  return featuresOf(
    z.map((value, k) => value * scales[k % width] * factor + shift),
    width,
  );
}

const law = {
  mean: new Float64Array(width),
  covariance: Float64Array.from({ length: width * width }, (_, k) =>
    k % (width + 1) === 0 ? scales[k / (width + 1)] ** 2 : 0,
  ),
  count: Infinity,
};
const trace = scales.reduce((sum, scale) => sum + scale ** 2, 0);
const apart = 0.3 ** 2 * trace + width * 0.2 ** 2;

/** Distance of the laws, and estimates: { value, standardError, bias? } by name. */
const metrics = {
  'frechet, known reference, other law': [apart, async () => frechetDistance(draw(count, 1.3, 0.2), law)],
  'frechet, sampled reference, other law': [
    apart,
    async () => frechetDistance(draw(count, 1.3, 0.2), draw(2 * count)),
  ],
  'frechet, known reference, same law': [0, async () => frechetDistance(draw(count), law)],
  'frechet, sampled reference, same law': [0, async () => frechetDistance(draw(count), draw(2 * count))],
  'kernel, other law': [NaN, async () => kernelDistance(draw(200, 1.1, 0.1), draw(300))],
  'kernel, same law': [0, async () => kernelDistance(draw(200), draw(300))],
  'kernel in blocks, same law': [0, async () => kernelDistance(draw(400), draw(600), { block: 200 })],
  'sliced Wasserstein, other law': [
    NaN,
    async () => slicedWasserstein(draw(count, 1.3, 0.2), draw(count), { directions: 64, seed: drawn }),
  ],
  'inception score': [NaN, async () => inceptionScore(draw(count))],
};
for (const name of ['precision', 'recall', 'density', 'coverage'])
  for (const [kind, factor] of [
    ['same law', 1],
    ['other law', 1.3],
  ])
    metrics[`${name}, ${kind}`] = [
      NaN,
      async () => (await manifoldMetrics(draw(count, factor), draw(count)))[name],
    ];

for (const [name, [truth, estimate]] of Object.entries(metrics)) {
  if (only !== undefined && !name.startsWith(only)) continue;
  const values = [];
  const errors = [];
  const biases = [];
  const extrapolated = [];
  let expected;
  for (let i = 0; i < repeats; i++) {
    const result = await estimate();
    values.push(result.value);
    errors.push(result.standardError);
    biases.push(result.bias ?? NaN);
    if (result.extrapolated) extrapolated.push(result.extrapolated);
    expected = result.expectedIfEqual;
  }
  console.log(
    [
      `${name}: mean ${mean(values).toPrecision(5)} +- ${(deviation(values) / Math.sqrt(repeats)).toPrecision(2)}`,
      expected === undefined ? '' : `expected if equal ${expected.toPrecision(5)}`,
      Number.isNaN(truth) ? '' : `truth ${truth.toPrecision(5)}`,
      Number.isNaN(biases[0])
        ? ''
        : `excess ${(mean(values) - truth).toPrecision(4)}, stated bias ${mean(biases).toPrecision(4)}`,
      `sd ${deviation(values).toPrecision(4)}, stated ${Math.sqrt(mean(errors.map((e) => e * e))).toPrecision(4)}`,
      extrapolated.length === 0
        ? ''
        : `extrapolated ${mean(extrapolated.map((e) => e.value)).toPrecision(5)}, sd ${deviation(extrapolated.map((e) => e.value)).toPrecision(4)}, ` +
          `stated ${Math.sqrt(mean(extrapolated.map((e) => e.standardError ** 2))).toPrecision(4)}`,
    ]
      .filter((part) => part !== '')
      .join('; '),
  );
}

function mean(values) {
  return values.reduce((a, b) => a + b, 0) / values.length;
}

function deviation(values) {
  const average = mean(values);
  return Math.sqrt(
    mean(values.map((value) => (value - average) ** 2)) * (values.length / (values.length - 1)),
  );
}
