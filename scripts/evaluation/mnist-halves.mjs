// Metrics of two halves of MNIST, at several numbers of samples: after "npm run build:ts",
//
//   node scripts/evaluation/mnist-halves.mjs [NETWORK.onnx | raw]
//
// Without an argument, by the embedded network of digits.

import { mnist } from '../../dist/data.js';
import {
  embeddedFeatures,
  evaluate,
  extractFeatures,
  loadFeatureNetwork,
  rawFeatures,
  samplesOf,
} from '../../dist/evaluation.js';

const path = process.argv[2] ?? embeddedFeatures();
const train = await mnist('train');
const network = path === 'raw' ? undefined : await loadFeatureNetwork(path);

/** Every other pair of pictures: of even and of odd index, MNIST's are from different writers. */
async function half(first, count) {
  const data = new Uint8Array(count * 784);
  for (let n = 0; n < count; n++) data.set(pictureAt(2 * n + first * 2 - (n % 2)), n * 784);
  const samples = samplesOf({ data, shape: [count, 1, 28, 28] });
  return network ? (await extractFeatures(samples, network)).features : rawFeatures(samples, [0, 1]);
}

function pictureAt(index) {
  return train.data.subarray(index * 784, (index + 1) * 784);
}

const shown = ({ value, standardError }) =>
  standardError === undefined
    ? value.toPrecision(4)
    : `${value.toPrecision(3)} ± ${standardError.toPrecision(2)}`;

console.log(
  '| samples of each half | Frechet | its bias | extrapolated | kernel | precision | recall | density | coverage |',
);
console.log('| --- | --- | --- | --- | --- | --- | --- | --- | --- |');
const reference = await half(1, 30_000);
for (const count of [500, 1000, 2000, 5000, 10_000, 30_000]) {
  const result = await evaluate(await half(0, count), reference, {
    metrics: ['frechet', 'kernel', 'manifold'],
  });
  const { frechet, kernel, precision, recall, density, coverage } = result;
  const cells = [
    count,
    shown(frechet),
    frechet.bias?.toPrecision(3) ?? '',
    frechet.extrapolated ? shown(frechet.extrapolated) : '',
    shown(kernel),
    ...[precision, recall, density].map(shown),
    `${shown(coverage)} (${coverage.expectedIfEqual.toPrecision(3)})`,
  ];
  console.log(`| ${cells.join(' | ')} |`);
}
await network?.release();
