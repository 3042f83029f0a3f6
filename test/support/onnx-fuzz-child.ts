// Feeds damaged models to one reader and prints what became of each: `index outcome`, the outcome being "ok" or the name
// of the error. The parent sees a crash as the end of this process and a hang as its silence.
//
//   node onnx-fuzz-child.js <reader> <folder of models> <first> <count>

import { readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { FastsdeError } from '../../src/errors.js';
import { support } from '../../src/autodiff/support.js';
import { trainingGraph } from '../../src/autodiff/training.js';
import { parameterNames, parameterValues } from '../../src/autodiff/parameters.js';
import { vjp } from '../../src/autodiff/vjp.js';
import { modelBytes, readModel, withMetadata, type Model } from '../../src/onnx/file/model.js';
import { readMetadata } from '../../src/score/network/metadata.js';
import { loadModel } from '../../src/score/network/load.js';
import { mutate } from './onnx-mutations.js';

/** The parts of fastsde that a model goes through; the first runs no code but ours. */
const readers: Record<string, (bytes: Uint8Array) => Promise<unknown>> = {
  read: async (bytes) => {
    const model = await readModel(bytes, tmpdir());
    readMetadata(model.metadata);
    modelBytes(withMetadata(model, { a: 'b' }));
    try {
      support(model);
    } finally {
      parameterValues(model, parameterNames(model, 'all'));
    }
  },
  load: async (bytes) => {
    const model = await loadModel(bytes, { threads: 1 });
    await model.close();
  },
  vjp: async (bytes) => {
    const model = await readModel(bytes);
    await vjp(model, { wrt: firstFloat(model) });
  },
  train: async (bytes) => {
    const model = await readModel(bytes);
    await trainingGraph(model, { loss: { kind: 'mean-squared-error' } });
  },
};

function firstFloat(model: Model): string {
  return model.inputs.find(({ type }) => type === 'float32')?.name ?? '';
}

const [reader, folder, first, count] = process.argv.slice(2) as [string, string, string, string];
const files = readdirSync(folder)
  .filter((name) => name.endsWith('.onnx'))
  .sort()
  .map((name) => readFileSync(join(folder, name)));
for (let index = Number(first); index < Number(first) + Number(count); index++) {
  process.stdout.write(`${index} `);
  let outcome = 'ok';
  try {
    await readers[reader]!(mutate(files, index));
  } catch (error) {
    outcome =
      error instanceof FastsdeError
        ? error.name
        : `untyped ${String(error instanceof Error ? error.stack : error).replaceAll('\n', ' | ')}`;
  }
  process.stdout.write(`${outcome}\n`);
}
process.stdout.write(`memory ${process.resourceUsage().maxRSS * 1024}\n`);
