import fc from 'fast-check';
import test from 'ava';

import { addon } from '../../../src/device/addon.js';
import { makeModel, modelBytes } from '../../../src/onnx/file/model.js';
import { makeNode, makeValueInfo } from '../../../src/onnx/graph/graph.js';
import { openRuntime } from '../../../src/onnx/run/own.js';

/** More runs: FASTSDE_FUZZ_RUNS=100000 npx ava .test-build/test/onnx/run/fuzz.test.js */
const numRuns = Number(process.env['FASTSDE_FUZZ_RUNS'] ?? 1500);

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

const numbers = fc.oneof(
  fc.constantFrom(0, 1, -1, 0.5, NaN, Infinity, 2 ** 31, 2 ** 53, -(2 ** 53), 1e300),
  fc.integer({ min: -2, max: 9 }),
);
const arrays = fc
  .tuple(
    fc.constantFrom(Float32Array, Float64Array, Int32Array, Uint16Array, Uint8Array, Int8Array),
    fc.integer({ min: 0, max: 9 }),
    numbers,
    fc.constantFrom('plain', 'shared', 'detached'),
  )
  .map(([Type, length, value, memory]) => () => {
    const bytes = length * Type.BYTES_PER_ELEMENT;
    const buffer = memory === 'shared' ? new SharedArrayBuffer(bytes) : new ArrayBuffer(bytes);
    const array = new Type(buffer as ArrayBuffer).fill(value);
    if (memory === 'detached') structuredClone(buffer, { transfer: [buffer as ArrayBuffer] });
    return array;
  });
const strange: fc.Arbitrary<() => unknown> = fc.oneof(
  arrays,
  fc.array(arrays, { maxLength: 3 }).map((makers) => () => makers.map((make) => make())),
  fc.oneof(numbers, fc.anything(), fc.constant(10n)).map((value) => () => value),
);

interface Call {
  session: number;
  call: number;
  inputs: unknown;
  feeds: unknown;
  outputs: unknown;
  targets: unknown;
  shapes: unknown;
}

/** A run of Add that fits. */
function valid(session: number, call: number, given: boolean, shared: boolean): Call {
  const array = () => new Float32Array(shared ? new SharedArrayBuffer(12) : new ArrayBuffer(12)).fill(1);
  return {
    session,
    call,
    inputs: Int32Array.of(0, 1),
    feeds: [array(), array()],
    outputs: Int32Array.of(0),
    targets: [given ? array() : undefined],
    shapes: Float64Array.from(given ? [1, 3, 1, 3, 1, 3] : [1, 3, 1, 3]),
  };
}

/** What is done to one argument that fits: another value, another element, another number in a list. */
const mutations = fc.tuple(
  fc.constantFrom<keyof Call>('session', 'inputs', 'feeds', 'outputs', 'targets', 'shapes'),
  fc.constantFrom('replace', 'element', 'number', 'drop'),
  strange,
  numbers,
);

test.serial('runs answer with a result or an error, whatever they are given', async (t) => {
  await openRuntime();
  const native = addon();
  const { session } = await native.createSession(add, 1, 99, false, undefined, [], undefined);
  let results = 0;
  let call = 0;
  const property = fc.asyncProperty(
    fc.array(mutations, { maxLength: 2 }),
    fc.boolean(),
    fc.boolean(),
    async (changes, given, shared) => {
      const args = valid(session, ++call, given, shared);
      for (const [name, kind, make, number] of changes) {
        const value = args[name];
        if (kind === 'replace') args[name] = make() as never;
        else if (kind === 'element' && Array.isArray(value)) value[0] = make();
        else if (kind === 'number' && (value instanceof Int32Array || value instanceof Float64Array))
          value[0] = number;
        else if (kind === 'drop' && Array.isArray(value)) value.pop();
      }
      const parameters = [args.inputs, args.feeds, args.outputs, args.targets, args.shapes] as never[];
      const runs = [
        () => (native.runSessionHere as (...all: unknown[]) => unknown)(args.session, ...parameters),
        () => (native.runSession as (...all: unknown[]) => unknown)(args.session, args.call, ...parameters),
      ];
      for (const run of runs) {
        try {
          await run();
          results++;
        } catch (error) {
          if (!(error instanceof Error)) throw new TypeError('the addon threw what is no error');
        }
      }
    },
  );
  await fc.assert(property, { seed: 22, numRuns });
  t.true(results > numRuns / 5, `only ${results} of ${2 * numRuns} calls went through`);
  await native.closeSession(session);
});

test.serial('arguments of any kind and number are an error or a result', async (t) => {
  const native = addon() as unknown as Record<string, (...args: unknown[]) => unknown>;
  const names = [
    'openRuntime',
    'createSession',
    'runSession',
    'runSessionHere',
    'terminateCall',
    'closeSession',
  ];
  const property = fc.asyncProperty(
    fc.constantFrom(...names),
    fc.array(strange, { maxLength: 8 }),
    async (name, makers) => {
      const { length } = (native[name] as unknown as { parameters: string[] }).parameters;
      const args = makers.map((make) => make());
      // Mostly as many as there should be: any other number is refused at once.
      while (args.length < length) args.push(undefined);
      try {
        await native[name]!(...args);
      } catch (error) {
        if (!(error instanceof Error)) throw new TypeError('the addon threw what is no error');
      }
    },
  );
  await t.notThrowsAsync(async () => {
    await fc.assert(property, { seed: 23, numRuns: 2 * numRuns });
  });
});
