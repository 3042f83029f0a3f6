// npm run bench -- sessions: the cost of a run of a network that does next to nothing (Add), through sessions of the addon and
// through onnxruntime-node, in turns.
import { performance } from 'node:perf_hooks';

import { Queue } from '../src/device/queue.js';
import { makeNode, makeValueInfo } from '../src/onnx/graph/graph.js';
import { makeModel, modelBytes } from '../src/onnx/file/model.js';
import { createNodeSession } from '../src/onnx/run/node.js';
import { createOwnSession } from '../src/onnx/run/own.js';
import type { Session, Tensor } from '../src/onnx/run/session.js';
import { printTable } from './measure.js';

const info = (name: string) => makeValueInfo(name, { type: 'float32', shape: ['n'] });
const add = modelBytes(
  makeModel({
    ir_version: 8,
    opset_import: [{ domain: '', version: 18 }],
    metadata_props: [],
    functions: [],
    graph: {
      name: 'add',
      node: [makeNode('Add', ['a', 'b'], ['y'])],
      initializer: [],
      input: [info('a'), info('b')],
      output: [info('y')],
      value_info: [],
    },
  }),
);

/** Seconds of `runs` runs. */
async function time(run: (runs: number) => Promise<unknown>, runs: number): Promise<number> {
  const start = performance.now();
  await run(runs);
  return (performance.now() - start) / 1e3;
}

function oneByOne(run: () => Promise<unknown>): (runs: number) => Promise<void> {
  return async (runs) => {
    for (let i = 0; i < runs; i++) await run();
  };
}

interface Given {
  feeds: Record<string, Tensor>;
  fetches: Record<string, Tensor>;
}

function cases(
  queue: Queue,
  own: Session,
  node: Session,
  n: number,
): Record<string, (runs: number) => Promise<unknown>> {
  const tensor = (shared: boolean): Tensor => ({
    data: new Float32Array(shared ? new SharedArrayBuffer(4 * n) : new ArrayBuffer(4 * n)).fill(1),
    dims: [n],
  });
  const [plain, shared] = [false, true].map((kind): Given => ({
    feeds: { a: tensor(kind), b: tensor(kind) },
    fetches: { y: tensor(kind) },
  })) as [Given, Given];
  const array = () => {
    const data = queue.allocate(n, 'single');
    queue.write(data, new Float32Array(n).fill(1));
    return { data, dims: [n] };
  };
  const bound = own.bind!(queue, { a: array(), b: array() }, { y: array() });
  return {
    'onnxruntime-node': oneByOne(() => node.run(plain.feeds)),
    'onnxruntime-node, given output': oneByOne(() => node.run(plain.feeds, plain.fetches)),
    'own, here': oneByOne(() => own.runHere(plain.feeds)),
    'own, here, given output': oneByOne(() => own.runHere(plain.feeds, plain.fetches)),
    'own, in its thread': oneByOne(() => own.run(plain.feeds, plain.fetches)),
    'own, in its thread, shared memory': oneByOne(() => own.run(shared.feeds, shared.fetches)),
    'own, in its thread, shared memory, 16 at a time': async (runs) => {
      for (let i = 0; i < runs; i += 16)
        await Promise.all(Array.from({ length: 16 }, () => own.run(shared.feeds, shared.fetches)));
    },
    'own, bound to arrays of a queue, on its thread': (runs) => {
      for (let i = 0; i < runs; i++) bound();
      return queue.settled();
    },
  };
}

export async function run(): Promise<void> {
  const own = await createOwnSession(add, { threads: 1 });
  const node = await createNodeSession(add, { threads: 1 });
  const queue = new Queue();
  const rows: string[][] = [];
  for (const n of [2, 196_608]) {
    const runs = n === 2 ? 1600 : 160;
    const table = Object.entries(cases(queue, own, node, n)).map(([name, run]) => ({
      name,
      run,
      best: Infinity,
    }));
    for (let turn = 0; turn < 15; turn++)
      for (const entry of table) entry.best = Math.min(entry.best, (await time(entry.run, runs)) / runs);
    const { best: reference } = table.find(({ name }) => name === 'onnxruntime-node, given output')!;
    for (const { name, best } of table)
      rows.push([`n = ${n}`, name, (1e6 * best).toFixed(2), (reference / best).toFixed(2)]);
  }
  await queue.close();
  printTable(['Add', 'session', 'us', 'times as fast'], rows);
}
