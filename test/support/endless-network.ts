// A thread that runs the embedded network without end, and says so before every run.
import { parentPort } from 'node:worker_threads';
import { embeddedModel } from '../../src/score/network/embedded.js';
import { loadModel } from '../../src/score/network/load.js';
import { levelAt, type Level } from '../../src/sde/level.js';

const rows = 64;
const x = new Float32Array(rows * 784);
const output = new Float32Array(x.length);

parentPort!.postMessage('loading');
const model = await loadModel(embeddedModel(), { threads: 1, probe: false });
const levels = new Array<Level>(rows).fill(levelAt(model, 0.5));
for (;;) {
  parentPort!.postMessage('running');
  await model.evaluate(x, levels, output);
}
