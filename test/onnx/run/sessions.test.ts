import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

import test from 'ava';

import { ModelError } from '../../../src/errors.js';
import { makeModel, modelBytes } from '../../../src/onnx/file/model.js';
import { makeTensor, type DataType } from '../../../src/onnx/file/tensor.js';
import { makeNode, makeValueInfo } from '../../../src/onnx/graph/graph.js';
import type { NodeProto, TensorProto, ValueInfo } from '../../../src/onnx/file/proto.js';
import { createNodeSession } from '../../../src/onnx/run/node.js';
import { createOwnSession } from '../../../src/onnx/run/own.js';
import type { Session, SessionOptions, Tensor } from '../../../src/onnx/run/session.js';
import { embeddedModel } from '../../../src/score/network/embedded.js';

type Create = (source: string | Uint8Array, options: SessionOptions) => Promise<Session>;
const kinds: Record<string, Create> = { own: createOwnSession, node: createNodeSession };

function graph(
  node: NodeProto[],
  input: ValueInfo[],
  output: ValueInfo[],
  initializer: TensorProto[] = [],
): Uint8Array {
  return modelBytes(
    makeModel({
      ir_version: 8,
      opset_import: [{ domain: '', version: 18 }],
      metadata_props: [],
      functions: [],
      graph: { name: 'test', node, initializer, input, output, value_info: [] },
    }),
  );
}

const info = (name: string, type: DataType, shape: (number | string)[]) =>
  makeValueInfo(name, { type, shape });

/** y = x + x, and z = x. */
const twice = graph(
  [makeNode('Add', ['x', 'x'], ['y']), makeNode('Identity', ['x'], ['z'])],
  [info('x', 'float32', ['n', 2])],
  [info('y', 'float32', ['n', 2]), info('z', 'float32', ['n', 2])],
);

/** Products of matrices one after the other, some tens of milliseconds, that end at 1 / 384 times the first row's sum. */
const slow = graph(
  Array.from({ length: 60 }, (_, i) => makeNode('MatMul', [`x${i}`, 'w'], [`x${i + 1}`])),
  [info('x0', 'float32', [384, 384])],
  [info('x60', 'float32', [384, 384])],
  [makeTensor('w', 'float32', [384, 384], Array<number>(384 * 384).fill(1 / 384))],
);
const square = (value: number): Tensor => ({
  data: new Float32Array(384 * 384).fill(value),
  dims: [384, 384],
});

const pair = (...values: number[]): Tensor => ({
  data: Float32Array.from(values),
  dims: [values.length / 2, 2],
});

test('sessions of the addon describe a network as onnxruntime-node does', async (t) => {
  const bytes = graph(
    [makeNode('Identity', ['a'], ['c']), makeNode('Cast', ['b'], ['d'], { to: 10 })],
    [info('a', 'int64', ['rows', '', 3]), info('b', 'float64', [])],
    [info('c', 'int64', ['rows', '', 3]), info('d', 'float16', [])],
  );
  for (const source of [bytes, embeddedModel()]) {
    const [own, node] = await Promise.all([createOwnSession(source, {}), createNodeSession(source, {})]);
    t.deepEqual(own.inputs, node.inputs);
    t.deepEqual(own.outputs, node.outputs);
  }
});

test('a network has the same bits in every session, way of running and memory', async (t) => {
  const rows = 8;
  const data = Float32Array.from({ length: rows * 784 }, (_, i) => Math.sin(i));
  const feeds = {
    x: { data, dims: [rows, 1, 28, 28] },
    t: { data: new Float32Array(rows).fill(0.3), dims: [rows] },
  };
  for (const threads of [1, 2]) {
    const [own, node] = await Promise.all([
      createOwnSession(embeddedModel(), { threads }),
      createNodeSession(embeddedModel(), { threads }),
    ]);
    const { eps } = await node.run(feeds);
    const shared = (tensor: Tensor): Tensor => {
      const copy = new Float32Array(new SharedArrayBuffer(tensor.data.byteLength));
      copy.set(tensor.data as Float32Array);
      return { data: copy, dims: tensor.dims };
    };
    const inShared = { x: shared(feeds.x), t: shared(feeds.t) };
    const target = (): Tensor => ({ data: new Float32Array(data.length), dims: feeds.x.dims });
    const results = [
      await own.run(feeds),
      await own.runHere(feeds),
      await own.run(feeds, { eps: target() }),
      await own.runHere(feeds, { eps: target() }),
      await own.run(inShared, { eps: shared(target()) }),
      await node.runHere(feeds, { eps: target() }),
    ];
    for (const [i, result] of results.entries()) {
      t.deepEqual(result['eps']!.dims, eps!.dims);
      t.is(Buffer.compare(Buffer.from(bytesOf(result['eps']!)), Buffer.from(bytesOf(eps!))), 0, `way ${i}`);
    }
  }
});

function bytesOf({ data }: Tensor): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

const values: [DataType, Tensor['data']][] = [
  ['float32', Float32Array.of(1.5, -2, NaN, 0, -0, Infinity)],
  ['float64', Float64Array.of(1.5, -2, Math.PI, 0, 1e-300, 5)],
  ['float16', Uint16Array.of(0x3c00, 0xbc00, 0, 0x7c00, 1, 2)],
  ['int32', Int32Array.of(1, -2, 2 ** 31 - 1, 0, 5, 6)],
  ['int64', BigInt64Array.of(1n, -2n, 2n ** 63n - 1n, 0n, 5n, 6n)],
  ['uint8', Uint8Array.of(1, 2, 255, 0, 5, 6)],
  ['bool', Uint8Array.of(1, 0, 0, 1, 1, 0)],
];

for (const [kind, create] of Object.entries(kinds)) {
  test(`values of every type pass through (${kind})`, async (t) => {
    for (const [type, data] of values) {
      const bytes = graph(
        [makeNode('Identity', ['x'], ['y'])],
        [info('x', type, ['n', 3])],
        [info('y', type, ['n', 3])],
      );
      const session = await create(bytes, {});
      for (const run of [session.run.bind(session), session.runHere.bind(session)]) {
        const { y } = await run({ x: { data, dims: [2, 3] } });
        t.deepEqual(y, { data, dims: [2, 3] }, type);
        const target = { data: new (data.constructor as typeof Float32Array)(6), dims: [2, 3] };
        await run({ x: { data, dims: [2, 3] } }, { y: target });
        t.deepEqual(target.data as Tensor['data'], data, type);
      }
    }
  });

  test(`outputs are computed by name, and inputs that a network does not have are left out (${kind})`, async (t) => {
    const session = await create(twice, {});
    const x = pair(1, 2, 3, 4);
    t.deepEqual(Object.keys(await session.run({ x })), ['y', 'z']);
    t.deepEqual(await session.run({ x, unknown: x }, ['z']), { z: x });
    t.deepEqual(await session.runHere({ x }, ['y']), { y: pair(2, 4, 6, 8) });
  });

  test(`a batch without rows is one (${kind})`, async (t) => {
    const session = await create(twice, {});
    t.deepEqual((await session.run({ x: pair() }))['y'], pair());
    t.deepEqual((await session.runHere({ x: pair() }))['y'], pair());
  });

  test(`what does not fit is a named error, and the session goes on (${kind})`, async (t) => {
    const session = await create(twice, {});
    const x = pair(1, 2);
    const refused: [RegExp, Record<string, Tensor>, Parameters<Session['run']>[1]?][] = [
      [/The input "x" has no value/, {}],
      [/The network has no output "w"/, { x }, ['w']],
      [/The network has no output "w"/, { x }, { w: x }],
      [/x \[2, 2\]: .*(length|size)/, { x: { data: x.data, dims: [2, 2] } }],
      [/x \[1, 2, 1\]: Invalid rank/, { x: { data: x.data, dims: [1, 2, 1] } }],
      [/x \[1, 2\]: Unexpected input data type/, { x: { data: Float64Array.of(1, 2), dims: [1, 2] } }],
      [/x \[1, 2\]: Invalid rank for output/, { x }, { y: { data: new Float32Array(2), dims: [2] } }],
    ];
    for (const [message, feeds, fetches] of refused) {
      await t.throwsAsync(session.run(feeds, fetches), { instanceOf: ModelError, message });
      await t.throwsAsync(session.runHere(feeds, fetches), { instanceOf: ModelError, message });
    }
    t.deepEqual((await session.run({ x }))['y'], pair(2, 4));
  });

  test(`a network that fails is a named error, and the session goes on (${kind})`, async (t) => {
    const bytes = graph(
      [makeNode('Reshape', ['x', 'shape'], ['y'])],
      [info('x', 'float32', ['n']), info('shape', 'int64', [1])],
      [info('y', 'float32', ['m'])],
    );
    const session = await create(bytes, {});
    const feeds = (size: bigint) => ({
      x: { data: Float32Array.of(1, 2, 3), dims: [3] },
      shape: { data: BigInt64Array.of(size), dims: [1] },
    });
    for (const run of [session.run.bind(session), session.runHere.bind(session)]) {
      await t.throwsAsync(run(feeds(2n)), { instanceOf: ModelError, message: /Reshape/ });
      t.deepEqual((await run(feeds(-1n)))['y']?.dims, [3]);
    }
  });

  test(`a closed session says so, and closing it twice is none of its errors (${kind})`, async (t) => {
    const session = await create(twice, {});
    const last = session.run({ x: pair(1, 2) });
    await session.release();
    await session.release();
    t.deepEqual((await last)['y'], pair(2, 4), 'the run under way ends first');
    for (const run of [session.run.bind(session), session.runHere.bind(session)])
      await t.throwsAsync(run({ x: pair(1, 2) }), {
        instanceOf: ModelError,
        message: /The session is closed/,
      });
  });

  test(`bytes that are no model are refused (${kind})`, async (t) => {
    await t.throwsAsync(create(Uint8Array.of(1, 2, 3), {}), { message: /protobuf/i });
  });
}

test('a run takes its inputs as they were when it was asked for', async (t) => {
  const session = await createOwnSession(slow, { threads: 1 });
  const x0 = square(1);
  const changed = session.run({ x0 });
  x0.data.fill(7 as never);
  const gone = square(2);
  const running = session.run({ x0: gone });
  structuredClone(gone.data.buffer, { transfer: [gone.data.buffer as ArrayBuffer] });
  for (const [result, value] of [
    [changed, 1],
    [running, 2],
  ] as const)
    t.true(Math.abs(((await result)['x60']!.data as Float32Array)[0]! - value) < 1e-3);
});

test('an output whose memory is taken away during the run is a named error', async (t) => {
  const session = await createOwnSession(slow, { threads: 1 });
  const x60 = square(0);
  const running = session.run({ x0: square(1) }, { x60 });
  structuredClone(x60.data.buffer, { transfer: [x60.data.buffer as ArrayBuffer] });
  await t.throwsAsync(running, { instanceOf: ModelError, message: /taken away/ });
});

// By themselves: onnxruntime-node, which other tests run, holds the thread.
test.serial('the calling thread is free while a network runs', async (t) => {
  const session = await createOwnSession(slow, { threads: 1 });
  let turns = 0;
  const count = () => {
    turns++;
    next = setImmediate(count);
  };
  let next = setImmediate(count);
  await session.run({ x0: square(1) });
  clearImmediate(next);
  t.true(turns > 1, `${turns} turns of the event loop`);
});

test.serial('an abort ends a run inside the network, and no other', async (t) => {
  const session = await createOwnSession(slow, { threads: 1 });
  const controllers = Array.from({ length: 3 }, () => new AbortController());
  const runs = controllers.map(({ signal }) => session.run({ x0: square(1) }, undefined, { signal }));
  setImmediate(() => {
    controllers[0]!.abort(new Error('enough'));
    controllers[2]!.abort(new Error('before it began'));
  });
  await t.throwsAsync(runs[0]!, { message: 'enough' });
  t.true(Math.abs(((await runs[1]!)['x60']!.data as Float32Array)[0]! - 1) < 1e-3);
  await t.throwsAsync(runs[2]!, { message: 'before it began' });
  await t.throwsAsync(session.run({ x0: square(1) }, undefined, { signal: controllers[0]!.signal }), {
    message: 'enough',
  });
});

test('sessions overlap, each with its runs in order', async (t) => {
  const sessions = await Promise.all([1, 2, 3].map(() => createOwnSession(twice, { threads: 1 })));
  const seen: number[][] = [[], [], []];
  await Promise.all(
    sessions.flatMap((session, k) =>
      Array.from({ length: 50 }, async (_, i) => {
        const { y } = await session.run({ x: pair(i, k) });
        t.deepEqual(y, pair(2 * i, 2 * k));
        seen[k]!.push(i);
      }),
    ),
  );
  for (const order of seen)
    t.deepEqual(
      order,
      Array.from({ length: 50 }, (_, i) => i),
    );
});

test('threads that are terminated in the middle of runs leave the process as it was', async (t) => {
  const script = new URL('../../support/endless-network.js', import.meta.url);
  for (let i = 0; i < 12; i++) {
    const worker = new Worker(script, { env: { ...process.env, FASTSDE_SESSIONS: 'own' } });
    await once(worker, 'message');
    await once(worker, 'message');
    await new Promise((resolve) => setTimeout(resolve, 3 * i));
    await worker.terminate();
  }
  const session = await createOwnSession(twice, {});
  t.deepEqual((await session.run({ x: pair(1, 2) }))['y'], pair(2, 4));
});
