// Runs cases of verbs on the GPU whose driver the environment names: node gpu-mutant-child.js VERB...
import { Queue } from '../../src/device/queue.js';
import { compare } from './gpu-cases.js';

const queue = new Queue(undefined, 'cuda');
for (const verb of process.argv.slice(2)) {
  const found = await compare(queue, verb, 60);
  if (found.length > 0) throw new Error(found[0]);
}
await queue.close();
