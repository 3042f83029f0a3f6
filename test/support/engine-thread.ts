// The thread of an engine, counting evaluations of its network, and ended by a request with seed 13.
import { getEnvironmentData, parentPort } from 'node:worker_threads';
import type { Order } from '../../src/engine/messages.js';
import { OnnxScoreModel } from '../../src/score/network/model.js';

const evaluations = getEnvironmentData('evaluations') as Int32Array;
// eslint-disable-next-line @typescript-eslint/unbound-method
const { evaluate } = OnnxScoreModel.prototype;
OnnxScoreModel.prototype.evaluate = function (...args) {
  Atomics.add(evaluations, 0, 1);
  return evaluate.apply(this, args);
};

parentPort!.on('message', (order: Order) => {
  if (order.type === 'run' && (order.task.options as { seed?: number }).seed === 13) process.exit(3);
});

await import('../../src/engine/thread.js');
