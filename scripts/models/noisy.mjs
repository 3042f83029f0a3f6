// How good a classifier of noisy digits is: cross-entropy in nats and share that is right, of test digits diffused to several times.
// Beside it the posterior under the training digits themselves as the law of the data, p(y | x) being the share of y among them
// weighted by exp(-|x - alpha x_i|^2 / 2 sigma^2): with much noise there is hardly more to know, with little it knows
// only what it has seen. After "npx tsc -p tsconfig.json",
//
//   FASTSDE_DATA=DATA node scripts/models/noisy.mjs [--count 2000] CLASSIFIER.onnx ...

import { parseArgs } from 'node:util';
import { mnist } from '../../.test-build/src/data/mnist.js';
import { Stream } from '../../.test-build/src/device/binding.js';
import { fillNormal } from '../../.test-build/src/device/kernels.js';
import { multiply } from '../../.test-build/src/device/linear-algebra.js';
import { Queue } from '../../.test-build/src/device/queue.js';
import { createSession } from '../../.test-build/src/onnx/run/runtime.js';
import { vp } from '../../.test-build/src/sde/vp.js';

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: { count: { type: 'string', default: '2000' } },
});
const count = Number(flags.count);
const size = 784;
const rows = 500;
const sde = vp();
const train = await mnist('train');
const test = await mnist('test');
const queue = new Queue();
const known = queue.allocate(train.data.length, 'single');
known.set(Float32Array.from(train.data, (byte) => byte / 127.5 - 1));
const squares = Float64Array.from({ length: train.labels.length }, (_, i) => {
  let sum = 0;
  for (let k = 0; k < size; k++) sum += known[i * size + k] ** 2;
  return sum;
});
const sessions = await Promise.all(positionals.map((path) => createSession(path, { threads: 1 })));

console.log(`| t | sigma / alpha | ${[...positionals, 'training digits'].join(' | ')} |`);
for (const t of [0.001, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.85, 1]) {
  const [alpha, sigma] = [sde.alpha(t), sde.sigma(t)];
  const figures = [...positionals, ''].map(() => ({ loss: 0, square: 0, right: 0 }));
  const note = (at, logits, label) => {
    const most = Math.max(...logits);
    const loss =
      most + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - most), 0)) - logits[label];
    figures[at].loss += loss / count;
    figures[at].square += loss ** 2 / count;
    figures[at].right += (logits.indexOf(most) === label ? 1 : 0) / count;
  };
  for (let first = 0; first < count; first += rows) {
    const x = queue.allocate(rows * size, 'single');
    fillNormal(x, rows, { seed: 0n, samples: first, step: 0, stream: Stream.user });
    for (let k = 0; k < x.length; k++)
      x[k] = alpha * (test.data[first * size + k] / 127.5 - 1) + sigma * x[k];
    const labels = test.labels.subarray(first, first + rows);
    for (const [at, session] of sessions.entries()) {
      const [state, time] = session.inputs.map(({ name }) => name);
      const output = await session.run({
        [state]: { data: Float32Array.from(x), dims: [rows, 1, 28, 28] },
        [time]: { data: new Float32Array(rows).fill(999 * t), dims: [rows] },
      });
      const { data } = Object.values(output)[0];
      for (let n = 0; n < rows; n++) note(at, Array.from(data.subarray(10 * n, 10 * n + 10)), labels[n]);
    }
    const block = 10_000;
    const products = queue.allocate(rows * block, 'double');
    const exponents = Array.from({ length: rows }, () => new Float64Array(train.labels.length));
    for (let from = 0; from < train.labels.length; from += block) {
      multiply(queue, products, x, queue.rows(known, size, from, block), size, { transposeB: true });
      await queue.settled();
      for (let n = 0; n < rows; n++)
        for (let i = 0; i < block; i++)
          exponents[n][from + i] =
            (alpha * products[n * block + i] - (alpha ** 2 * squares[from + i]) / 2) / sigma ** 2;
    }
    for (let n = 0; n < rows; n++) {
      const most = exponents[n].reduce((a, b) => Math.max(a, b));
      const weights = new Float64Array(10);
      exponents[n].forEach((exponent, i) => (weights[train.labels[i]] += Math.exp(exponent - most)));
      note(positionals.length, Array.from(weights, Math.log), labels[n]);
    }
  }
  const cells = figures.map(
    ({ loss, square, right }) =>
      `${loss.toFixed(3)} ± ${Math.sqrt((square - loss ** 2) / count).toFixed(3)}, ${(100 * right).toFixed(1)} %`,
  );
  console.log(`| ${[t, (sigma / alpha).toPrecision(2), ...cells].join(' | ')} |`);
}
await queue.close();
