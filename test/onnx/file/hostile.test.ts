import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import test from 'ava';

import { ModelError, OptionError } from '../../../src/errors.js';
import { parameterValues } from '../../../src/autodiff/parameters.js';
import { support } from '../../../src/autodiff/support.js';
import { makeNode, makeValueInfo } from '../../../src/onnx/graph/graph.js';
import { makeModel, modelBytes, readModel } from '../../../src/onnx/file/model.js';
import type { GraphProto, ModelProto, NodeProto, TensorProto } from '../../../src/onnx/file/proto.js';
import { loadModel } from '../../../src/score/network/load.js';

const fixture = join(
  import.meta.dirname,
  '..',
  '..',
  '..',
  '..',
  'test',
  'fixtures',
  'models',
  'vp-eps.onnx',
);

/** A model of these parts. */
function proto(parts: Partial<GraphProto>, more: Partial<ModelProto> = {}): ModelProto {
  return {
    ir_version: 9,
    opset_import: [
      { domain: '', version: 18 },
      { domain: 'local', version: 1 },
    ],
    metadata_props: [],
    functions: [],
    graph: {
      name: 'g',
      node: [],
      initializer: [],
      input: [makeValueInfo('x', { type: 'float32', shape: ['N', 4] })],
      output: [makeValueInfo('y', { type: 'float32', shape: ['N', 4] })],
      value_info: [],
      ...parts,
    },
    ...more,
  };
}

/** A field of a message: its number, and bytes of any length. */
function field(number: number, content: Uint8Array): Buffer {
  const length: number[] = [];
  let rest = content.length;
  for (; rest > 127; rest = Math.floor(rest / 128)) length.push((rest % 128) + 128);
  return Buffer.concat([Uint8Array.of(number * 8 + 2, ...length, rest), content]);
}

const damaged = { instanceOf: ModelError, message: /truncated or not an ONNX model/ };

test('messages of two bytes that would fill the memory are refused', async (t) => {
  const entries = Buffer.alloc(2 * 5_000_000, Uint8Array.of(0x72, 0x00)); // of metadata
  await t.throwsAsync(readModel(entries), damaged);
});

test('subgraphs that nest without end are refused', async (t) => {
  let graph: Buffer = Buffer.alloc(0);
  for (let depth = 0; depth < 2000; depth++) graph = field(1, field(5, field(6, graph)));
  await t.throwsAsync(readModel(field(7, graph)), damaged);
});

test('numbers written one by one cost no more than in one piece', async (t) => {
  const values = 300_000;
  const tensor = Buffer.concat([
    Buffer.from([0x08, ...[0xe0, 0xa7, 0x12], 0x10, 7, 0x42, 1, 0x77]), // dims [300000], int64, "w"
    Buffer.alloc(2 * values, Uint8Array.of(0x38, 5)),
  ]);
  const rest = modelBytes({ proto: proto({ node: [makeNode('Relu', ['x'], ['y'])] }) });
  // Fields of two messages of one kind are merged: here, the last graph holds the tensor alone.
  const model = await readModel(Buffer.concat([rest, field(7, field(5, tensor))]));
  t.is(model.proto.graph.initializer[0]!.int64_data!.length, values);
});

test('a node that reads 100,000 others, and a value that 100,000 nodes read, are no trouble', (t) => {
  const names = Array.from({ length: 100_000 }, (_, i) => `v${i}`);
  const each = names.map((name) => makeNode('Relu', ['x'], [name]));
  // In reverse order, so that sorting has to look for every one.
  const model = makeModel(proto({ node: [makeNode('Sum', names, ['y']), ...each] }));
  t.true(support(model).missing.every(({ operator }) => operator === 'Sum'));
});

test('a cycle is an error that names a node in it', async (t) => {
  const node = [
    makeNode('Add', ['x', 'b'], ['a']),
    makeNode('Relu', ['a'], ['b']),
    makeNode('Relu', ['a'], ['y']),
  ];
  const model = await readModel(modelBytes({ proto: proto({ node }) }));
  t.throws(() => support(model), { instanceOf: ModelError, message: /cycle through (Add|Relu)/ });
});

const local = (name: string, node: NodeProto[]) => ({
  name,
  domain: 'local',
  input: ['a'],
  output: ['b'],
  attribute: [],
  node,
  opset_import: [{ domain: '', version: 18 }],
});
const call = (name: string, from: string, to: string) => ({
  ...makeNode(name, [from], [to]),
  domain: 'local',
});

test('local functions that multiply, or call themselves, are refused', (t) => {
  const doubling = Array.from({ length: 30 }, (_, i) =>
    local(
      `f${i}`,
      i === 29
        ? [makeNode('Relu', ['a'], ['b'])]
        : [call(`f${i + 1}`, 'a', 'c'), call(`f${i + 1}`, 'c', 'b')],
    ),
  );
  const refuse = (functions: ModelProto['functions'], message: RegExp) => {
    t.throws(() => makeModel(proto({ node: [call('f0', 'x', 'y')] }, { functions })), {
      instanceOf: ModelError,
      message,
    });
  };
  refuse(doubling, /more than 1048576 nodes/);
  refuse([local('f0', [call('f1', 'a', 'b')]), local('f1', [call('f0', 'a', 'b')])], /calls itself/);
});

test('operators named after what every object has are operators without a rule', (t) => {
  for (const name of ['constructor', '__proto__', 'toString', 'hasOwnProperty']) {
    const model = makeModel(proto({ node: [makeNode(name, ['x'], ['y'])] }));
    t.deepEqual(
      support(model).missing.map(({ operator }) => operator),
      [name],
    );
  }
});

const asked: [entry: string, value: string, message: RegExp][] = [
  ['shape', '100000,100000,100000', /shape must be/],
  ['trained_levels', '9007199254740991', /trained_levels|trainedLevels must be an integer from 1 to 1000000/],
];

for (const [entry, value, message] of asked) {
  test(`metadata that ask for memory without bound are refused: ${entry}`, async (t) => {
    const model = await readModel(fixture);
    const open = model.proto.graph.input.map(({ name }) =>
      makeValueInfo(name!, { type: 'float32', shape: name === 'x' ? ['N', 'C', 'H', 'W'] : ['N'] }),
    );
    const metadata_props = [
      ...model.proto.metadata_props.filter(({ key }) => key !== `fastsde.${entry}`),
      { key: `fastsde.${entry}`, value },
    ];
    const graph = { ...model.proto.graph, input: open, output: [{ name: model.outputs[0]!.name }] };
    const output = [makeValueInfo(model.outputs[0]!.name, { type: 'float32', shape: ['N', 'C', 'H', 'W'] })];
    const bytes = modelBytes({ proto: { ...model.proto, metadata_props, graph: { ...graph, output } } });
    await t.throwsAsync(loadModel(bytes), { instanceOf: OptionError, message });
  });
}

/** A folder with a model whose weight lies in the file that `location` names, and a file beside the folder. */
async function external(location: string): Promise<{ folder: string; read: () => Promise<unknown> }> {
  const top = await mkdtemp(join(tmpdir(), 'fastsde-external-'));
  const folder = join(top, 'model');
  await mkdir(folder);
  await writeFile(join(top, 'secret.bin'), new Float32Array(16).fill(7));
  const weight: TensorProto = {
    name: 'w',
    dims: [4, 4],
    data_type: 1,
    data_location: 1,
    string_data: [],
    external_data: [{ key: 'location', value: location.replace('TOP', top) }],
  };
  const bytes = modelBytes({
    proto: proto({ node: [makeNode('MatMul', ['x', 'w'], ['y'])], initializer: [weight] }),
  });
  await writeFile(join(folder, 'model.onnx'), bytes);
  const read = async () => parameterValues(await readModel(join(folder, 'model.onnx')), ['w']).get('w');
  return { folder, read };
}

for (const location of ['../secret.bin', 'TOP/secret.bin', 'a/../../secret.bin', './../secret.bin', '..']) {
  test(`external data may not leave the folder of the model: ${location}`, async (t) => {
    const { folder, read } = await external(location);
    t.teardown(() => rm(join(folder, '..'), { recursive: true }));
    await t.throwsAsync(read, { instanceOf: ModelError, message: /outside the folder/ });
  });
}

test('external data may not be a link out of the folder, nor lie in a linked folder', async (t) => {
  const { folder, read } = await external('link.bin');
  t.teardown(() => rm(join(folder, '..'), { recursive: true }));
  await symlink(join('..', 'secret.bin'), join(folder, 'link.bin'));
  await t.throwsAsync(read, { instanceOf: ModelError, message: /link out of the folder/ });

  const other = await external('sub/secret.bin');
  t.teardown(() => rm(join(other.folder, '..'), { recursive: true }));
  await symlink('..', join(other.folder, 'sub'));
  await t.throwsAsync(other.read, { instanceOf: ModelError, message: /link out of the folder/ });
});

test('a link within the folder is followed; a pipe is refused and not waited for', async (t) => {
  const { folder, read } = await external('link.bin');
  t.teardown(() => rm(join(folder, '..'), { recursive: true }));
  await writeFile(join(folder, 'weights.bin'), await readFile(join(folder, '..', 'secret.bin')));
  await symlink('weights.bin', join(folder, 'link.bin'));
  t.deepEqual(await read(), new Float32Array(16).fill(7));

  await rm(join(folder, 'link.bin'));
  execFileSync('mkfifo', [join(folder, 'link.bin')]);
  await t.throwsAsync(read, { instanceOf: ModelError, message: /cannot be read/ });
});
