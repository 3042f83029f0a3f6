// A training run for tests that kill it: node training-child.js <folder> <steps>. It says each step that it has made.
import { TRAINING, planarData, planarNetwork } from './training-runs.js';
import { train } from '../../src/training/train.js';

const [folder = '', steps = ''] = process.argv.slice(2);
const run = train(await planarNetwork(), planarData(50), {
  ...TRAINING,
  steps: Number(steps),
  progressEvery: 1,
  checkpoints: { folder, every: 3 },
});
for await (const { step } of run) console.log(step);
