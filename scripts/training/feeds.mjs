// Writes what the network is fed in each step of a run of test/support/training-reference.ts: node scripts/training/feeds.mjs <run> <file.npz>
import { writeFile } from 'node:fs/promises';

import { pick } from '../../.test-build/src/data/dataset.js';
import { encodeNpz } from '../../.test-build/src/io/npz.js';
import { objective } from '../../.test-build/src/training/objective.js';
import { drawFlips, DataOrder } from '../../.test-build/src/training/order.js';
import { referenceRuns } from '../../.test-build/test/support/training-reference.js';

const [name, file] = process.argv.slice(2);
const { network, data, options } = referenceRuns[name];
const { steps, batch, flip } = options;
const seed = BigInt(options.seed);
const goal = objective(await network(), options.objective);
const order = new DataOrder(data.shape[0], seed);
const arrays = {};
for (let step = 1; step <= steps; step++) {
  const position = (step - 1) * batch;
  const { data: x0 } = pick(data, order.samples(position, batch));
  const mirrored = flip && { flips: drawFlips(position, batch, seed) };
  const { tensors } = goal.feeds({ x0, ...mirrored, first: 0, step, seed });
  for (const [input, { data: values, dims }] of Object.entries(tensors))
    arrays[`${step}.${input}`] = { data: values.slice(), shape: [...dims] };
}
await writeFile(file, encodeNpz(arrays));
