import { decodeModel, encodeModel, type ModelProto } from '../../src/onnx/file/proto.js';

/** Numbers in [0, 1) that depend on the seed alone (Mulberry32). */
export function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let z = Math.imul(state ^ (state >>> 15), state | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return ((z ^ (z >>> 14)) >>> 0) / 2 ** 32;
  };
}

type Random = ReturnType<typeof generator>;

const upTo = (random: Random, n: number): number => Math.floor(random() * n);
const choose = <T>(random: Random, list: readonly T[]): T => list[upTo(random, list.length)]!;

/** The file, damaged in a way that the index chooses: bytes that are wrong, missing or elsewhere, or a damaged structure. */
export function mutate(files: readonly Uint8Array[], index: number): Uint8Array {
  const random = generator(index);
  const file = Uint8Array.from(choose(random, files));
  const kinds = [flip, truncate, splice, lengthen, restructure, restructure, restructure];
  return choose(random, kinds)(file, random, files);
}

/** Damage to any file: bits, its end, a piece of another file, runs of one byte. */
export function mutateBytes(files: readonly Uint8Array[], index: number): Uint8Array {
  const random = generator(index);
  return choose(random, [flip, truncate, splice, lengthen])(
    Uint8Array.from(choose(random, files)),
    random,
    files,
  );
}

function flip(file: Uint8Array, random: Random): Uint8Array {
  const damaged = file.slice();
  for (let count = 1 + upTo(random, 12); count > 0; count--) {
    damaged[upTo(random, damaged.length)]! ^= 1 << upTo(random, 8);
  }
  return damaged;
}

function truncate(file: Uint8Array, random: Random): Uint8Array {
  return file.slice(0, upTo(random, file.length));
}

function splice(file: Uint8Array, random: Random, files: readonly Uint8Array[]): Uint8Array {
  const other = choose(random, files);
  const from = upTo(random, other.length);
  const piece = other.subarray(from, from + upTo(random, 200));
  const at = upTo(random, file.length);
  return Buffer.concat([file.subarray(0, at), piece, file.subarray(at + upTo(random, 2) * piece.length)]);
}

/** Bytes that read as large numbers: lengths, counts and extents that lie. */
function lengthen(file: Uint8Array, random: Random): Uint8Array {
  const damaged = file.slice();
  const at = upTo(random, damaged.length);
  damaged.fill(choose(random, [0x00, 0x7f, 0x80, 0xff]), at, at + 1 + upTo(random, 10));
  return damaged;
}

type Holder = Record<string, unknown>;
type Place = readonly [holder: Holder, key: string];

/** Everything in a decoded model that can be replaced: fields and elements of lists. */
function places(value: unknown, found: Place[] = []): Place[] {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return found;
  for (const [key, child] of Object.entries(value)) {
    found.push([value as Holder, key]);
    places(child, found);
  }
  return found;
}

const oddNumbers = [
  0,
  -1,
  1,
  2,
  3,
  7,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 40,
  Number.MAX_SAFE_INTEGER,
  -(2 ** 53 - 1),
];
const oddStrings = ['', '__proto__', '../x', '1e9,1e9', '-1', 'NaN', 'constructor', '0', '999999999', '\0'];

function restructure(file: Uint8Array, random: Random): Uint8Array {
  const model: ModelProto = decodeModel(file);
  for (let count = 1 + upTo(random, 3); count > 0; count--) {
    const all = places(model);
    const [holder, key] = choose(random, all);
    holder[key] = other(holder[key], random, all);
    if (holder[key] === undefined && Array.isArray(holder)) holder.splice(Number(key), 1);
  }
  try {
    return Buffer.concat(encodeModel(model));
  } catch {
    return file; // what cannot be written cannot be read either
  }
}

/** Another value of the same kind, taken from elsewhere in the model, or odd; undefined for none. */
function other(value: unknown, random: Random, all: readonly Place[]): unknown {
  if (value === undefined) return undefined;
  if (random() < 0.15) return Array.isArray(value) ? [] : undefined;
  const like = all.filter(
    ([holder, key]) =>
      typeof holder[key] === typeof value && Array.isArray(holder[key]) === Array.isArray(value),
  );
  const [holder, key] = choose(random, like);
  switch (typeof value) {
    case 'number':
      return choose(random, oddNumbers);
    case 'bigint':
      return BigInt(choose(random, oddNumbers));
    case 'string':
      return random() < 0.6 ? holder[key] : choose(random, oddStrings);
    default:
      if (Array.isArray(value) && random() < 0.5) {
        const elements: readonly unknown[] = value;
        return random() < 0.5 ? elements.toReversed() : [...elements, ...elements, ...elements.slice(0, 1)];
      }
      if (ArrayBuffer.isView(value)) {
        return value instanceof Uint8Array ? value.subarray(0, upTo(random, value.length + 1)) : value;
      }
      // The same kind of message only: a list of nodes holds nodes.
      return Object.keys(value as object).join() === Object.keys(holder[key] as object).join()
        ? structuredClone(holder[key])
        : value;
  }
}
