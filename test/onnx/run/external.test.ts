import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { ModelError } from '../../../src/errors.js';
import { makeModel, readModel, writeModel } from '../../../src/onnx/file/model.js';
import { tensorBytes } from '../../../src/onnx/file/tensor.js';
import { createSession } from '../../../src/onnx/run/runtime.js';
import { embeddedModel } from '../../../src/score/network/embedded.js';

const folder = await mkdtemp(join(tmpdir(), 'fastsde-external-'));
test.after.always(() => rm(folder, { recursive: true }));

/** Writes the embedded model with every tensor, shapes included, in another file. */
async function writeOutside(path: string, location: string): Promise<void> {
  const { proto } = await readModel(embeddedModel());
  const parts: Uint8Array[] = [];
  let offset = 0;
  const initializer = proto.graph.initializer.map((tensor) => {
    const bytes = tensorBytes(tensor);
    const entries = { location, offset: String(offset), length: String(bytes.length) };
    parts.push(bytes);
    offset += bytes.length;
    const { name, dims, data_type } = tensor;
    const external_data = Object.entries(entries).map(([key, value]) => ({ key, value }));
    return { name: name!, dims, data_type: data_type!, string_data: [], data_location: 1, external_data };
  });
  await writeFile(join(folder, location), Buffer.concat(parts));
  await writeModel(makeModel({ ...proto, graph: { ...proto.graph, initializer } }, folder), path);
}

test('a model whose every tensor lies in another file runs, and says where that file should be', async (t) => {
  const path = join(folder, 'outside.onnx');
  await writeOutside(path, 'weights.bin');
  const feeds = {
    x: { data: Float32Array.from({ length: 784 }, (_, i) => Math.sin(i)), dims: [1, 1, 28, 28] },
    t: { data: Float32Array.of(0.4), dims: [1] },
  };
  const [inside, outside] = await Promise.all([
    createSession(embeddedModel(), { threads: 1 }),
    createSession(path, { threads: 1 }),
  ]);
  t.deepEqual(await outside.run(feeds), await inside.run(feeds));
  await Promise.all([inside.release(), outside.release()]);

  await writeFile(
    join(folder, 'weights.bin'),
    (await readFile(join(folder, 'weights.bin'))).subarray(0, 100),
  );
  await t.throwsAsync(createSession(path), {
    instanceOf: ModelError,
    message: /has \d+ of the \d+ bytes/,
  });
  await rm(join(folder, 'weights.bin'));
  await t.throwsAsync(createSession(path), {
    instanceOf: ModelError,
    message: /cannot be read: .*weights\.bin/,
  });
});
