import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import test from 'ava';
import fc from 'fast-check';

import { ModelError } from '../../../src/errors.js';
import { makeModel, modelBytes, readModel, withMetadata, writeModel } from '../../../src/onnx/file/model.js';
import type { ModelProto, TensorProto } from '../../../src/onnx/file/proto.js';
import { createSession } from '../../../src/onnx/run/runtime.js';
import { makeTensor, tensorNumbers } from '../../../src/onnx/file/tensor.js';

const fixture = join('test', 'fixtures', 'onnx', 'affine.onnx');

function proto(tensor: TensorProto): ModelProto {
  const graph = { node: [], initializer: [tensor], input: [], output: [], value_info: [] };
  return { graph, opset_import: [{ version: 18 }], metadata_props: [], functions: [] };
}

test('a file made by the onnx package reads back with its names, types, shapes and metadata', async (t) => {
  const model = await readModel(fixture);
  t.deepEqual(model.inputs, [{ name: 'x', type: 'float32', shape: ['N', 2] }]);
  t.deepEqual(model.outputs, [{ name: 'y', type: 'float32', shape: ['N', 3] }]);
  t.deepEqual([...model.metadata], [['fastsde.note', 'affine']]);
  t.is(model.opsets.get(''), 18);
  t.deepEqual(
    model.nodes.map(({ operator }) => operator),
    ['MatMul', 'Add'],
  );
  const [weight, bias] = model.proto.graph.initializer;
  t.deepEqual(tensorNumbers(weight!), [1, 2, 3, 4, 5, 6]);
  t.deepEqual(tensorNumbers(bias!), [0.5, -0.5, 0.25]);
});

test('writing what was read gives the same bytes', async (t) => {
  const bytes = await readFile(fixture);
  t.deepEqual(Buffer.from(modelBytes(await readModel(bytes))), bytes);
});

test('weights are views into the file, and unknown fields survive', async (t) => {
  const bytes = await readFile(fixture);
  // Field 100, a string of two bytes, which no version of ONNX has.
  const extended = Buffer.concat([bytes, Buffer.from([0xa2, 0x06, 0x02, 0x68, 0x69])]);
  const model = await readModel(extended);
  t.is(model.proto.graph.initializer[0]!.raw_data!.buffer, extended.buffer);
  const written = Buffer.from(modelBytes(withMetadata(model, { key: 'value' })));
  t.true(written.includes(Buffer.from([0xa2, 0x06, 0x02, 0x68, 0x69])));
  t.is((await readModel(written)).metadata.get('key'), 'value');
});

test('ONNX Runtime runs what is written', async (t) => {
  const session = await createSession(modelBytes(withMetadata(await readModel(fixture), { a: 'b' })));
  const { y } = await session.run({ x: { data: Float32Array.of(1, 1), dims: [1, 2] } });
  t.deepEqual([...y!.data], [5.5, 6.5, 9.25]);
  await session.release();
});

test('every truncation of a file is a ModelError or a smaller model, never a crash', async (t) => {
  const bytes = await readFile(fixture);
  for (let length = 0; length < bytes.length; length++) {
    try {
      await readModel(bytes.subarray(0, length));
    } catch (error) {
      t.true(error instanceof ModelError, `${length} bytes: ${String(error)}`);
    }
  }
  await t.throwsAsync(readModel(bytes.subarray(0, 60)), { instanceOf: ModelError, message: /truncated/ });
});

test('damaged bytes are a ModelError or another model, never a crash', async (t) => {
  const bytes = await readFile(fixture);
  await fc.assert(
    fc.asyncProperty(fc.nat(bytes.length - 1), fc.nat(255), async (index, value) => {
      const damaged = Uint8Array.from(bytes);
      damaged[index] = value;
      try {
        await readModel(damaged);
        return true;
      } catch (error) {
        return error instanceof ModelError;
      }
    }),
    { seed: 3, numRuns: 500 },
  );
  t.pass();
});

test('lengths beyond the file and nesting without end are refused', async (t) => {
  // graph (field 7) of 2^40 bytes.
  const long = Uint8Array.of(0x3a, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20);
  await t.throwsAsync(readModel(long), { instanceOf: ModelError, message: /1099511627776 bytes with 0/ });
  // graph > node > attribute > graph > ...
  let nested: Buffer = Buffer.alloc(0);
  const wrap = (field: number, inner: Buffer): Buffer => {
    const length = [];
    for (let rest = inner.length; ; rest >>= 7) {
      length.push(rest > 127 ? (rest & 127) | 128 : rest);
      if (rest <= 127) break;
    }
    return Buffer.concat([Buffer.from([field * 8 + 2, ...length]), inner]);
  };
  for (let depth = 0; depth < 200; depth++) nested = wrap(1, wrap(5, wrap(6, nested)));
  await t.throwsAsync(readModel(wrap(7, nested)), { instanceOf: ModelError, message: /nest deeper/ });
});

test('a tensor that lies about its size is refused', (t) => {
  const tensor = makeTensor('w', 'float32', [2], [1, 2]);
  t.throws(() => makeModel(proto({ ...tensor, dims: [2 ** 31, 2 ** 31] })), { message: /impossible shape/ });
  t.throws(() => makeModel(proto({ ...tensor, dims: [-1] })), { message: /impossible shape/ });
  t.throws(() => makeModel(proto({ ...tensor, dims: [3] })), { message: /needs 12 bytes and holds 8/ });
  t.throws(() => makeModel(proto({ ...tensor, data_type: 0 })), { message: /no data type/ });
});

test('a graph input without a type is refused', (t) => {
  const model = proto(makeTensor('w', 'float32', [1], [1]));
  model.graph!.input.push({ name: 'x' });
  t.throws(() => makeModel(model), { instanceOf: ModelError, message: /"x" has no tensor type/ });
});

test('external data is read beside the model and nowhere else', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'fastsde-onnx-'));
  try {
    const external = (location: string, length = '8'): TensorProto => {
      const entries = { location, offset: '4', length };
      return {
        name: 'w',
        dims: [2],
        data_type: 1,
        string_data: [],
        data_location: 1,
        external_data: Object.entries(entries).map(([key, value]) => ({ key, value })),
      };
    };
    await writeFile(join(folder, 'w.bin'), new Uint8Array(Float32Array.of(7, 8, 9).buffer));
    t.deepEqual(tensorNumbers(external('w.bin'), folder), [8, 9]);
    for (const location of ['../w.bin', '/etc/passwd', 'a/../../w.bin', 'C:\\w.bin']) {
      t.throws(
        () => makeModel(proto(external(location)), folder),
        { message: /outside the folder/ },
        location,
      );
    }
    t.throws(() => makeModel(proto(external('w.bin', '9')), folder), {
      message: /needs 8 bytes and declares 9/,
    });
    t.throws(() => makeModel(proto(external('w.bin', '1e9')), folder), { message: /not a number of bytes/ });
    t.throws(() => tensorNumbers(external('absent.bin'), folder), { message: /cannot be read/ });
    await writeFile(join(folder, 'short.bin'), new Uint8Array(6));
    t.throws(() => tensorNumbers(external('short.bin'), folder), { message: /has 2 of the 8 bytes/ });
    const derived = makeModel(proto(external('w.bin')), folder);
    await writeModel(derived, join(folder, 'derived.onnx'));
    t.is((await readModel(join(folder, 'derived.onnx'))).folder, folder);
    await t.throwsAsync(writeModel(derived, join(tmpdir(), 'elsewhere.onnx')), { message: /write it into/ });
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('an absent file and a file that is no model are named', async (t) => {
  await t.throwsAsync(readModel('absent.onnx'), {
    instanceOf: ModelError,
    message: /Cannot read .*absent\.onnx: there is no such file/,
  });
  await t.throwsAsync(readModel(join('test', 'onnx-model.test.ts')), { instanceOf: ModelError });
});
