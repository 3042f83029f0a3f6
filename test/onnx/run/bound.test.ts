import test from 'ava';

import type { Device, Elements } from '../../../src/device/device.js';
import { Queue } from '../../../src/device/queue.js';
import { ModelError } from '../../../src/errors.js';
import { makeModel, modelBytes } from '../../../src/onnx/file/model.js';
import { makeNode, makeValueInfo } from '../../../src/onnx/graph/graph.js';
import { createOwnSession } from '../../../src/onnx/run/own.js';
import { embeddedModel } from '../../../src/score/network/embedded.js';
import { useEmulatedGpu } from '../../support/emulated-gpu.js';

interface Vector {
  readonly data: Elements;
  readonly dims: readonly number[];
}

useEmulatedGpu();

/** Arrays of a device for the embedded network, with a state that is not constant. */
function arraysFor(device: Device, rows: number) {
  const x = device.allocate(rows * 784, 'single');
  const t = device.allocate(rows, 'single');
  const eps = device.allocate(rows * 784, 'single');
  device.write(t, new Float32Array(rows).fill(300));
  device.fill(x, rows, 'normal', { seed: 1n, samples: 0, step: 0, stream: 16 });
  const dims = [rows, 1, 28, 28];
  return { x: { data: x, dims }, t: { data: t, dims: [rows] }, eps: { data: eps, dims } };
}

test('a run in arrays of a queue has the bits of any other, again and again', async (t) => {
  const session = await createOwnSession(embeddedModel(), { threads: 2 });
  const queue = new Queue();
  const { x, t: time, eps } = arraysFor(queue, 4);
  const run = session.bind!(queue, { x, t: time }, { eps });
  const expected = async () => {
    const feeds = {
      x: { data: await queue.read(x.data), dims: x.dims },
      t: { data: await queue.read(time.data), dims: time.dims },
    };
    return (await session.run(feeds))['eps']!.data;
  };
  run();
  t.deepEqual(await queue.read(eps.data), (await expected()) as Float32Array);
  queue.affine(x.data, [x.data, eps.data], Float64Array.of(1, -0.1, 0));
  queue.write(time.data, new Float32Array(4).fill(200));
  run();
  t.deepEqual(await queue.read(eps.data), (await expected()) as Float32Array);
  await session.release();
  run();
  await t.notThrowsAsync(queue.settled(), 'a device keeps the session of its runs');
  await queue.close();
  t.throws(() => session.bind!(new Queue(), { x, t: time }, { eps }), {
    instanceOf: ModelError,
    message: /closed/,
  });
});

test('an abort ends a network inside its run', async (t) => {
  const session = await createOwnSession(embeddedModel(), { threads: 1 });
  const controller = new AbortController();
  const queue = new Queue(controller.signal);
  const { x, t: time, eps } = arraysFor(queue, 64);
  const run = session.bind!(queue, { x, t: time }, { eps });
  for (let i = 0; i < 1000; i++) run();
  setTimeout(() => {
    controller.abort(new RangeError('enough'));
  }, 20);
  await t.throwsAsync(queue.settled(), { instanceOf: RangeError, message: 'enough' });
  await queue.close();
  await session.release();
});

test('a network that fails ends the work of the queue, with the error that names it', async (t) => {
  const graph = {
    name: 'fails',
    node: [makeNode('Reshape', ['x', 'shape'], ['y'])],
    initializer: [],
    input: [
      makeValueInfo('x', { type: 'float32', shape: ['n'] }),
      makeValueInfo('shape', { type: 'int64', shape: [1] }),
    ],
    output: [makeValueInfo('y', { type: 'float32', shape: ['m'] })],
    value_info: [],
  };
  const file = makeModel({
    ir_version: 8,
    opset_import: [{ domain: '', version: 18 }],
    metadata_props: [],
    functions: [],
    graph,
  });
  const session = await createOwnSession(modelBytes(file), {});
  const queue = new Queue();
  const x = { data: queue.allocate(3, 'single'), dims: [3] };
  const shape = { data: queue.allocate(1, 'int64'), dims: [1] };
  queue.write(shape.data, BigInt64Array.of(2n));
  t.throws(() => session.bind!(queue, { x }, { y: x }), {
    instanceOf: ModelError,
    message: /"shape" has no value/,
  });
  t.throws(() => session.bind!(queue, { x, shape }, { z: x }), {
    instanceOf: ModelError,
    message: /no output "z"/,
  });
  t.throws(() => session.bind!(queue, { x: { ...x, dims: [4] }, shape }, { y: x }), {
    instanceOf: ModelError,
    message: /x \[4\].*length/,
  });
  t.throws(() => session.bind!(new Queue(), { x, shape }, { y: x }), {
    instanceOf: ModelError,
    message: /memory of the queue/,
  });
  session.bind!(queue, { x, shape }, { y: x })();
  await t.throwsAsync(queue.settled(), {
    instanceOf: ModelError,
    message: /failed on x \[3\], shape \[1\]: .*Reshape/,
  });
  await queue.close();
  await session.release();
});

/** A network of one operator on vectors of n. */
function vectorNetwork(operator: string, inputs: readonly string[], output: string) {
  const vector = (name: string) => makeValueInfo(name, { type: 'float32', shape: ['n'] });
  return modelBytes(
    makeModel({
      ir_version: 8,
      opset_import: [{ domain: '', version: 18 }],
      metadata_props: [],
      functions: [],
      graph: {
        name: operator,
        node: [makeNode(operator, [...inputs], [output])],
        initializer: [],
        input: inputs.map(vector),
        output: [vector(output)],
        value_info: [],
      },
    }),
  );
}

for (const where of ['cpu', 'cuda'] as const)
  test.serial(
    `what a run keeps is read by another, and written anew by the next run: ${where}`,
    async (t) => {
      const first = await createOwnSession(vectorNetwork('Exp', ['x'], 'e'), { threads: 1 });
      const second = await createOwnSession(vectorNetwork('Mul', ['e', 'v'], 'p'), { threads: 1 });
      const queue = new Queue(undefined, where);
      const vector = (): Vector => ({ data: queue.allocate(3, 'single'), dims: [3] });
      const [x, v, p] = [vector(), vector(), vector()] as const;
      const evaluate = first.bind!(queue, { x }, { e: undefined });
      const multiply = second.bind!(queue, { e: { by: evaluate, name: 'e' }, v }, { p });
      for (const values of [
        [0, 1, 2],
        [-1, 0.5, 3],
      ]) {
        queue.write(x.data, Float32Array.from(values));
        evaluate();
        queue.write(x.data, new Float32Array(3));
        for (const factor of [1, -2]) {
          queue.write(v.data, new Float32Array(3).fill(factor));
          multiply();
          const found = await queue.read(p.data);
          values.forEach((value, i) =>
            t.true(Math.abs(found[i]! - factor * Math.exp(value)) < 1e-5 * Math.exp(value)),
          );
        }
      }
      await queue.close();

      const early = new Queue();
      const [input, output] = [early.allocate(3, 'single'), early.allocate(3, 'single')];
      const of = (data: Elements) => ({ data, dims: [3] });
      const never = first.bind!(early, { x: of(input) }, { e: undefined });
      second.bind!(early, { e: { by: never, name: 'e' }, v: of(input) }, { p: of(output) })();
      await t.throwsAsync(early.settled(), { message: /was not computed/ });
      await early.close();
      t.throws(
        () => second.bind!(new Queue(), { e: { by: never, name: 'e' }, v: of(input) }, { p: of(output) }),
        { instanceOf: ModelError },
        'a run of another queue',
      );
      await first.release();
      await second.release();
    },
  );
