import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import fc from 'fast-check';
import test from 'ava';

import { addon } from '../../src/device/addon.js';
import {
  constructors,
  guarded,
  isIntact,
  isTypedArray,
  shrink,
  watched,
  type Constructor,
  type Memory,
} from '../support/guarded-memory.js';

/** More runs: FASTSDE_FUZZ_RUNS=100000 npx ava .test-build/test/device/fuzz.test.js */
const numRuns = Number(process.env['FASTSDE_FUZZ_RUNS'] ?? 1500);

// The memory of a detached array goes when its new owner is collected; then a pointer into it is one into nothing.
setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const numbers = fc.oneof(
  fc.constantFrom(0, 1, -1, 0.5, 2, NaN, Infinity, -Infinity, 2 ** 31, 2 ** 32, 2 ** 53, -(2 ** 53), 1e300),
  fc.double(),
  fc.integer({ min: -2, max: 70 }),
);
const memories = fc.constantFrom<Memory>('tight', 'plain', 'shared', 'resizable', 'growable');
const arrays = fc
  .tuple(fc.constantFrom(...constructors), fc.integer({ min: 0, max: 70 }), memories, numbers)
  .map((parts) => () => guarded(...parts));
const throwing = () => {
  throw new Error('thrown by a getter');
};

/** Makes a value: fast-check, which prints what failed, cannot look at a detached array. */
type Maker = () => unknown;
const strange: fc.Arbitrary<Maker> = fc.oneof(
  arrays,
  arrays.map((make) => () => {
    const array = make();
    shrink(array);
    return array;
  }),
  fc
    .oneof(
      numbers,
      fc.anything(),
      fc.constantFrom<unknown>(Symbol('s'), 10n, '8', null, undefined, throwing),
      fc.constant({ valueOf: throwing, toString: throwing, length: 2 ** 40 }),
      fc.constant(new DataView(new ArrayBuffer(8))),
    )
    .map((value) => () => value),
);

/** Arguments that fit each other: `n` elements in `batch` samples. */
type Valid = (n: number, batch: number, memory: Memory) => unknown[];

const f32 = (n: number, memory: Memory) => guarded(Float32Array, n, memory, 0.5);
const f64 = (n: number, memory: Memory) => guarded(Float64Array, n, memory, 0.5);
const address = (memory: Memory) => guarded(Uint32Array, 8, memory, 1);
const indices = (batch: number, memory: Memory) => guarded(Float64Array, batch, memory, 3);

const sideOf = (n: number) => 1 + (n % 6);
const square = (n: number, memory: Memory) => f64(sideOf(n) ** 2, memory);

/** Two components on a line, one with a variance and one with an eigenvalue. */
let pair: number | undefined;
const mixture = () =>
  (pair ??= addon().makeMixture(
    1,
    Float64Array.of(-1, -0.5),
    Float64Array.of(0, 1),
    Int32Array.of(-1, 0),
    Float64Array.of(1, 0, 2),
    new Float64Array(0),
  ));
/** Points of it, their levels and components. */
const placed = (n: number, m: Memory) => [f32(n, m), f64(2 * n, m), guarded(Int32Array, n, m, n % 2)];

const entries: Record<string, Valid> = {
  affine: (n, batch, m) => [
    undefined,
    f32(n, m),
    [f32(n, m), f32(n, m)],
    f64(3 * batch, m),
    f32(n, m),
    address(m),
    indices(batch, m),
  ],
  langevin: (n, batch, m) => [
    undefined,
    f64(n, m),
    f32(n, m),
    f64(3 * batch, m),
    n % 3,
    address(m),
    7,
    f64(n, m),
    f64(batch, m),
  ],
  addNoise: (n, batch, m) => [
    undefined,
    n % 2 === 0 ? f32(n, m) : f64(n, m),
    f32(n, m),
    f64(2 * batch, m),
    address(m),
    indices(batch, m),
  ],
  dots: (n, batch, m) => [undefined, f32(n, m), f64(n, m), f64(batch, m)],
  clip: (n, _, m) => [undefined, n % 2 === 0 ? f32(n, m) : f64(n, m), -1, 1],
  threshold: (n, batch, m) => [undefined, n % 2 === 0 ? f32(n, m) : f64(n, m), batch, -1, 1, 0.9],
  gather: (n, batch, m) => [undefined, f32(n, m), f32((n / batch) * 3, m), guarded(Int32Array, batch, m, 2)],
  scaledErrors: (n, batch, m) => [
    ...[undefined, f64(n, m), f64(n, m), f64(n, m)],
    ...[1e-5, 1e-5, f64(batch, m), n % 2, batch % 2],
  ],
  matchSpread: (n, batch, m) => [
    undefined,
    ...(n % 2 === 0 ? [f32(n, m), f32(n, m)] : [f64(n, m), f64(n, m)]),
    f64(batch, m),
  ],
  fill: (n, batch, m) => [undefined, f32(n, m), batch, n % 3, address(m), indices(batch, m)],
  projectMeasurement: (n, batch, m) => [
    undefined,
    f32(n, m),
    f32(n, m),
    f32(n / batch, m),
    f64(2 * batch, m),
    address(m),
    0,
    f32(1, m),
  ],
  toBytes: (n, _, m) => [f32(n, m), 0, 1, guarded(Uint8Array, n, m, 0)],
  fromBytes: (n, _, m) => [guarded(Uint8Array, n, m, 9), 0, 1, f32(n, m)],
  diffuse: (n, batch, m) => [
    undefined,
    f32(n, m),
    f32(n, m),
    n % 2 === 0 ? f32(n, m) : guarded(Uint8Array, n, m, 7),
    -1,
    1,
    guarded(Uint8Array, batch, m, 1),
    n / batch,
    f64(4 * batch, m),
    address(m),
    indices(batch, m),
  ],
  adamw: (n, batch, m) => [
    undefined,
    f32(n, m),
    f32(n, m),
    f32(n, m),
    f32(n, m),
    Array.from({ length: batch }, () => f32(n, m)),
    f64(batch, m),
    f64(7, m),
    n % 2 === 0 ? undefined : f64(batch, m),
  ],
  stamp: (_, batch, m) => [undefined, f64(batch, m)],
  sumOfSquares: (n, batch, m) => [undefined, Array.from({ length: batch }, () => f32(n, m)), f64(1, m)],
  requireFinite: (n, batch, m) => [undefined, f32(n, m), batch, 1],
  download: (n, _, m) => [undefined, f32(n, m)],
  write: (n, _, m) => [undefined, f32(n, m), f32(n, 'tight')],
  copy: (n, _, m) => [undefined, n % 2 === 0 ? f32(n, m) : f64(n, m), n % 3 === 0 ? f32(n, m) : f64(n, m)],
  traceRates: (n, batch, m) => [undefined, f64(n, m), 2, f64(3 * batch, m)],
  scale: (n, batch, m) => [undefined, f32(n, m), f64(batch, m)],
  scatter: (n, batch, m) => [undefined, f32((n / batch) * 3, m), f32(n, m), guarded(Int32Array, batch, m, 2)],
  weigh: (n, batch, m) => [undefined, f64(n, m), f64(n / batch, m)],
  multiplyAxis: (n, batch, m) => [
    undefined,
    f64(3 * batch, m),
    f64(n, m),
    f64(3 * (n / batch), m),
    n / batch,
    1,
  ],
  orthonormalize: (n, batch, m) => [undefined, f64(2 * n, m), f64(4 * batch, m), batch, n % 2],
  leastResiduals: (n, batch, m) => [undefined, f64(n, m), f64(n, m), f64(4 * batch, m), batch],
  multiply: (n, batch, m) => [
    undefined,
    f64(batch * batch, m),
    n % 2 === 0 ? f32(n, m) : f64(n, m),
    n % 3 === 0,
    f32(n, m),
    n % 5 === 0,
    n / batch,
    false,
  ],
  factorize: (n, _, m) => [undefined, square(n, m), square(n, m), guarded(Int32Array, sideOf(n), m, 0)],
  invertTriangular: (n, _, m) => [undefined, square(n, m), square(n, m)],
  eigen: (n, _, m) => [undefined, square(n, m), f64(sideOf(n), m), square(n, m)],
  makeMixture: (n, batch, m) => [
    n,
    f64(batch, m),
    f64(n * batch, m),
    guarded(Int32Array, batch, m, -1),
    f64((n + 1) * batch, m),
    f64(0, m),
  ],
  dropMixture: () => [0],
  mixtureScore: (n, _, m) => [undefined, mixture(), ...placed(n, m), n % 2 === 0 ? f32(n, m) : f64(n, m)],
  mixtureDivergence: (n, _, m) => [undefined, mixture(), ...placed(n, m), f64(n, m)],
  mixtureProduct: (n, _, m) => [undefined, mixture(), ...placed(n, m), f32(n, m), f64(n, m)],
  mixturePosterior: (n, _, m) => [undefined, mixture(), ...placed(n, m), f64(2 * n, m), f64(n, m)],
  isFirst: () => ['test'],
  selectIsa: () => ['baseline'],
  setThreads: () => [2],
};

/** What is done to one argument that fits. */
type Mutation =
  | { kind: 'replace' | 'element'; make: Maker }
  | { kind: 'fill'; by: number }
  | { kind: 'resize'; by: number }
  | { kind: 'shrink' | 'alias' | 'getter' | 'drop' };

const mutations: fc.Arbitrary<Mutation> = fc.oneof(
  fc.record({ kind: fc.constantFrom('replace' as const, 'element' as const), make: strange }),
  fc.record({ kind: fc.constant('fill' as const), by: numbers }),
  fc.record({ kind: fc.constant('resize' as const), by: fc.integer({ min: -3, max: 3 }) }),
  fc.record({ kind: fc.constantFrom('shrink', 'alias', 'getter', 'drop') }),
);

function mutate(args: unknown[], position: number, mutation: Mutation): void {
  const place = position % args.length;
  const value = args[place];
  const list = Array.isArray(value) ? (value as unknown[]) : undefined;
  switch (mutation.kind) {
    case 'replace':
      args[place] = mutation.make();
      break;
    case 'element':
      if (list) Object.defineProperty(list, 0, { value: mutation.make(), configurable: true });
      break;
    case 'fill':
      if (isTypedArray(value) && value.length > 0) value.fill(mutation.by);
      break;
    case 'resize':
      if (isTypedArray(value)) {
        const Type = value.constructor as Constructor;
        args[place] = guarded(Type, Math.max(0, value.length + mutation.by), 'plain', 0.5);
      }
      break;
    case 'shrink':
      if (isTypedArray(value)) shrink(value);
      break;
    case 'alias':
      args[place] = args[(place + 1) % args.length];
      break;
    case 'getter':
      // Reading the list takes the memory of the first argument away.
      list?.forEach((element, i) =>
        Object.defineProperty(list, i, {
          configurable: true,
          get: () => {
            args.filter(isTypedArray).slice(0, 1).forEach(shrink);
            collectGarbage();
            collectGarbage(); // the first leaves the work to a thread, the second waits for it
            return element;
          },
        }),
      );
      break;
    case 'drop':
      args.length = place;
      break;
  }
}

/** Fuzzed by test/onnx/run/fuzz.test.ts and test/device/queue-fuzz.test.ts. */
const sessions = [
  'openQueue',
  'hold',
  'bindRun',
  'runBound',
  'settle',
  'follow',
  'cancelQueue',
  'closeQueue',
  'openRuntime',
  'createSession',
  'runSession',
  'runSessionHere',
  'terminateCall',
  'closeSession',
  'stopSessions',
];

test.serial('every entry point is fuzzed, but for those that take no data', (t) => {
  const rest = ['info', 'gpuInfo', 'limits', 'stayOnThisThread', 'loadLibraries', ...sessions];
  t.deepEqual([...Object.keys(entries), ...rest].sort(), Object.keys(addon()).sort());
});

for (const [name, valid] of Object.entries(entries)) {
  test.serial(`${name} answers with a result or an error, and writes only where it may`, (t) => {
    const native = addon() as unknown as Record<string, (...args: unknown[]) => unknown>;
    const { isa, threads } = addon().info();
    const shapes = fc.tuple(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 5 }), memories);
    const changes = fc.array(fc.tuple(fc.nat({ max: 7 }), mutations), { maxLength: 3 });
    let results = 0;
    const property = fc.property(shapes, changes, ([size, batch, memory], changed) => {
      watched.length = 0;
      const args = valid(size * batch, batch, memory);
      for (const [position, mutation] of changed) if (args.length > 0) mutate(args, position, mutation);
      try {
        native[name]!(...args);
        results++;
      } catch (error) {
        if (!(error instanceof Error)) throw new TypeError('the addon threw what is no error');
      }
      return watched.every(isIntact);
    });
    fc.assert(property, { seed: 20, numRuns });
    addon().selectIsa(isa);
    addon().setThreads(threads);
    // Were everything refused, nothing would have been tested.
    t.true(results > numRuns / 20, `only ${results} of ${numRuns} calls went through`);
  });
}

test.serial('arguments of any kind and number are an error or a result', (t) => {
  const native = addon() as unknown as Record<string, (...args: unknown[]) => unknown>;
  const { isa, threads } = addon().info();
  const lists = fc.array(strange, { maxLength: 9 }).map((makers) => () => makers.map((make) => make()));
  const property = fc.property(
    fc.constantFrom(...Object.keys(native).filter((name) => !sessions.includes(name))),
    fc.array(fc.oneof(strange, lists), { maxLength: 9 }),
    (name, makers) => {
      watched.length = 0;
      const args = makers.map((make) => make());
      try {
        native[name]!(...args);
      } catch (error) {
        if (!(error instanceof Error)) throw new TypeError('the addon threw what is no error');
      }
      return watched.every(isIntact);
    },
  );
  t.notThrows(() => {
    fc.assert(property, { seed: 21, numRuns: 4 * numRuns });
  });
  addon().selectIsa(isa);
  addon().setThreads(threads);
});
