import { OptionError } from '../errors.js';
import { limits } from './addon.js';
import type { Limits } from './addon-interface.js';
import type { NoiseAddress, State } from './binding.js';

/** Float32Array or Float64Array, not empty (a detached array is empty). */
export function requireState(name: string, value: unknown): asserts value is State {
  if (!(value instanceof Float32Array || value instanceof Float64Array)) {
    throw new OptionError(name, value, 'a Float32Array or Float64Array');
  }
  if (value.length === 0)
    throw new OptionError(name, value, 'an array with elements (a detached array has none)');
}

export function requireFloat32(name: string, value: unknown, length?: number): asserts value is Float32Array {
  if (!(value instanceof Float32Array)) throw new OptionError(name, value, 'a Float32Array');
  requireLength(name, value, length);
}

export function requireFloat64(name: string, value: unknown, length?: number): asserts value is Float64Array {
  if (!(value instanceof Float64Array)) throw new OptionError(name, value, 'a Float64Array');
  requireLength(name, value, length);
}

export function requireInt32(name: string, value: unknown): asserts value is Int32Array {
  if (!(value instanceof Int32Array)) throw new OptionError(name, value, 'an Int32Array');
  requireLength(name, value);
}

export function requireBytes(name: string, value: unknown, length?: number): asserts value is Uint8Array {
  if (!(value instanceof Uint8Array)) throw new OptionError(name, value, 'a Uint8Array');
  requireLength(name, value, length);
}

/** Of the given length, or of any but 0. */
export function requireLength(name: string, value: ArrayLike<unknown>, length?: number): void {
  if (length === undefined ? value.length === 0 : value.length !== length) {
    throw new OptionError(
      name,
      value,
      length === undefined ? 'an array with elements' : `of length ${length}`,
    );
  }
}

/** A second array of the same element type and length as `like`. */
export function requireLike(name: string, value: unknown, like: State): asserts value is State {
  requireState(name, value);
  if (value.constructor !== like.constructor || value.length !== like.length) {
    throw new OptionError(name, value, `a ${like.constructor.name} of length ${like.length}`);
  }
}

/** Input to a result `out`: as long, and of float64 only if the result is. */
export function requireOperand(name: string, value: unknown, out: State): asserts value is State {
  requireState(name, value);
  const widens = out instanceof Float32Array && value instanceof Float64Array;
  if (widens || value.length !== out.length) {
    const types = out instanceof Float32Array ? 'a Float32Array' : 'a Float32Array or Float64Array';
    throw new OptionError(name, value, `${types} of length ${out.length}`);
  }
}

/** `value` may be `other` itself, but may not overlap it shifted or with another element type. */
export function requireSameOrDisjoint(name: string, value: State, otherName: string, other: State): void {
  const same = value.byteOffset === other.byteOffset && value.byteLength === other.byteLength;
  if (!same && overlap(value, other))
    throw new OptionError(name, value, `${otherName} itself or memory apart from it`);
}

export function requireDisjoint(
  name: string,
  value: ArrayBufferView,
  otherName: string,
  other: ArrayBufferView,
): void {
  if (overlap(value, other)) throw new OptionError(name, value, `memory apart from ${otherName}`);
}

function overlap(a: ArrayBufferView, b: ArrayBufferView): boolean {
  return (
    a.buffer === b.buffer &&
    a.byteOffset < b.byteOffset + b.byteLength &&
    b.byteOffset < a.byteOffset + a.byteLength
  );
}

export function requireRange(low: number, high: number): void {
  if (!Number.isFinite(low)) throw new OptionError('low', low, 'a finite number');
  if (!Number.isFinite(high) || high <= low)
    throw new OptionError('high', high, `a finite number above low (${low})`);
}

/** Row-major [batch][columns] finite numbers for `elements` elements; returns the number of rows. */
export function requireCoefficients(value: unknown, columns: number, elements: number): number {
  requireFloat64('coefficients', value);
  const rows = value.length / columns;
  if (!Number.isInteger(rows) || elements % rows !== 0) {
    throw new OptionError(
      'coefficients',
      value,
      `of length batch * ${columns} for a batch that divides ${elements} elements`,
    );
  }
  let zero = 0; // NaN as soon as one is not finite, in a loop without branches: this runs at every step of a sampler
  for (let i = 0; i < value.length; i++) zero += value[i]! * 0;
  if (zero !== 0) {
    const i = value.findIndex((coefficient) => !Number.isFinite(coefficient));
    const place = `coefficients[${Math.floor(i / columns)}][${i % columns}]`;
    throw new OptionError(place, value[i], 'a finite number');
  }
  return rows;
}

// One address at a time, since calls are synchronous: seed (little-endian), salt, step, use, particle, visit, node.
const packed = new Uint32Array(8);
const packedSeed = new BigUint64Array(packed.buffer, 0, 1);

/** Validates the noise address of `batch` samples of `size` elements and packs it for the addon. */
export function packAddress(noise: NoiseAddress, batch: number, size: number): Uint32Array {
  const { seed, salt = 0, samples, step, stream, substep = 0, particle = 0, visit = 0, node = 0 } = noise;
  if (typeof seed !== 'bigint' || BigInt.asUintN(64, seed) !== seed) {
    throw new OptionError('noise.seed', seed, 'a bigint from 0n to 2n ** 64n - 1n');
  }
  const bounds = limits();
  requireInteger('noise.salt', salt, bounds.word);
  requireInteger('noise.step', step, bounds.word);
  requireInteger('noise.stream', stream, bounds.stream);
  requireInteger('noise.substep', substep, bounds.substep);
  requireInteger('noise.particle', particle, bounds.word);
  requireInteger('noise.visit', visit, bounds.word);
  requireInteger('noise.node', node, bounds.word);
  requireSamples(samples, batch, size, bounds);
  packedSeed[0] = seed;
  packed[2] = salt;
  packed[3] = step;
  packed[4] = stream + substep * (bounds.stream + 1);
  packed[5] = particle;
  packed[6] = visit;
  packed[7] = node;
  return packed;
}

function requireSamples(
  samples: unknown,
  batch: number,
  size: number,
  { sample, flatIndex, chunk }: Limits,
): void {
  const limit = Math.min(sample, Math.floor(flatIndex / (size + chunk)) - batch);
  if (samples instanceof Float64Array) {
    if (samples.length !== batch)
      throw new OptionError('noise.samples', samples, `of length ${batch} (one index per sample)`);
    for (let i = 0; i < batch; i++) {
      // The name is made for a bad index alone: this loop runs at every step of a sampler.
      if (!isIndex(samples[i], limit)) requireInteger(`noise.samples[${i}]`, samples[i], limit);
    }
  } else {
    requireInteger('noise.samples', samples, limit, ' or a Float64Array of them');
  }
}

function isIndex(value: unknown, limit: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= limit;
}

export function requireInteger(name: string, value: unknown, limit: number, otherwise = ''): void {
  if (!isIndex(value, limit)) {
    throw new OptionError(name, value, `an integer from 0 to ${limit}${otherwise}`);
  }
}
