import { DataError } from '../errors.js';
import { decodeNpz, encodeNpz, type NamedArrays } from '../io/npz.js';
import type { NdArray } from '../io/npy.js';
import type { Pass, Passes } from './passes.js';

const columns: readonly (keyof Pass)[] = ['logDensity', 'variance', 'derivativeError', 'bound', 'boundError'];
/** What the names of arrays of runs of networks begin with. */
const RUNS = 'runs.';

/** What passes over some samples found, as an .npz file: [passes, samples] in nats, and what every sample and the whole cost. */
export function encodePasses(found: Passes): Uint8Array {
  const { passes, evaluations, rejected, networks, cost, extra } = found;
  const count = evaluations.length;
  const names = new Set(networks.flatMap((runs) => Object.keys(runs)));
  const arrays: [string, NdArray][] = [
    ...columns.map((name): [string, NdArray] => {
      const data = new Float64Array(passes.length * count);
      passes.forEach((pass, repeat) => {
        data.set(pass[name], repeat * count);
      });
      return [name, { data, shape: [passes.length, count] }];
    }),
    ['evaluations', { data: evaluations, shape: [count] }],
    ['rejected', { data: rejected, shape: [count] }],
    ...Array.from(names, (name): [string, NdArray] => [
      RUNS + name,
      { data: Int32Array.from(networks, (runs) => runs[name] ?? 0), shape: [count] },
    ]),
    ['cost', { data: Int32Array.of(cost.score, cost.jvp, cost.vjp, extra), shape: [4] }],
  ];
  return encodeNpz(Object.fromEntries(arrays));
}

/**
 * Reads what {@link encodePasses} wrote; the states at T are not among it.
 *
 * @throws DataError where the file holds other arrays.
 */
export function decodePasses(bytes: Uint8Array, file: string): Passes {
  const arrays: NamedArrays = decodeNpz(bytes, file);
  const evaluations = integers(arrays, 'evaluations', file);
  const count = evaluations.length;
  const values = columns.map((name) => floats(arrays, name, file));
  const repeats = values[0]!.length / count;
  const passes = Array.from({ length: repeats }, (_, repeat) => {
    const of = values.map((data) => data.slice(repeat * count, (repeat + 1) * count));
    return Object.fromEntries(columns.map((name, i) => [name, of[i]!])) as unknown as Pass;
  });
  const runs = Object.keys(arrays).filter((name) => name.startsWith(RUNS));
  const counted = runs.map((name) => integers(arrays, name, file));
  const networks = Array.from({ length: count }, (_, i) =>
    Object.fromEntries(runs.map((name, k) => [name.slice(RUNS.length), counted[k]![i]!])),
  );
  const [score = 0, jvp = 0, vjp = 0, extra = 0] = integers(arrays, 'cost', file);
  return {
    passes,
    evaluations,
    rejected: integers(arrays, 'rejected', file),
    networks,
    cost: { score, jvp, vjp },
    extra,
    ends: new Float64Array(),
  };
}

function floats(arrays: NamedArrays, name: string, file: string): Float64Array {
  const data = arrays[name]?.data;
  if (data instanceof Float64Array) return data;
  throw new DataError(`${file} is damaged: it holds no float64 array ${name}.`, { value: file });
}

function integers(arrays: NamedArrays, name: string, file: string): Int32Array {
  const data = arrays[name]?.data;
  if (data instanceof Int32Array) return data;
  throw new DataError(`${file} is damaged: it holds no int32 array ${name}.`, { value: file });
}
