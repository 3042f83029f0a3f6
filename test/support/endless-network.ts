// A thread that runs the embedded network without end, and says so before every run.
import { parentPort } from 'node:worker_threads';
import { embeddedModel } from '../../src/score/network/embedded.js';
import { loadModel } from '../../src/score/network/load.js';

const rows = 64;
const x = new Float32Array(rows * 784);
const output = new Float32Array(x.length);
const at = { t: new Float64Array(rows).fill(0.5) };

parentPort!.postMessage('loading');
const model = await loadModel(embeddedModel(), { threads: 1, probe: false });
for (;;) {
  parentPort!.postMessage('running');
  await model.evaluate(x, at, output);
}
