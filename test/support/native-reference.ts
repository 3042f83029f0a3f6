// The kernels written a second time, in plain TypeScript: Threefry from its paper, float32 arithmetic by Math.fround.
import type { NoiseAddress } from '../../src/device/binding.js';

const rotations = [
  [10, 26],
  [11, 21],
  [13, 27],
  [23, 5],
  [6, 20],
  [17, 11],
  [25, 10],
  [18, 20],
] as const;

/** Threefry4x32 (Salmon et al. 2011). */
export function threefry(counter: readonly number[], key: readonly number[], rounds: number): number[] {
  const schedule = [...key, key.reduce((a, b) => a ^ b, 0x1bd11bda)];
  const x = counter.map((c, i) => (c + key[i]!) >>> 0);
  const mix = (i: number, j: number, n: number) => {
    x[i] = (x[i]! + x[j]!) >>> 0;
    x[j] = (((x[j]! << n) | (x[j]! >>> (32 - n))) ^ x[i]) >>> 0;
  };
  for (let round = 0; round < rounds; round++) {
    const [a, b] = rotations[round % 8]!;
    mix(0, round % 2 === 0 ? 1 : 3, a);
    mix(2, round % 2 === 0 ? 3 : 1, b);
    const injection = (round + 1) / 4;
    if (Number.isInteger(injection)) {
      for (let i = 0; i < 4; i++) {
        x[i] = (x[i]! + schedule[(injection + i) % 5]! + (i === 3 ? injection : 0)) >>> 0;
      }
    }
  }
  return x;
}

const memory = new DataView(new ArrayBuffer(8));

export function bitsOf(x: number): number {
  memory.setFloat32(0, x);
  return memory.getUint32(0);
}

export function floatOf(bits: number): number {
  memory.setUint32(0, bits);
  return memory.getFloat32(0);
}

/** a b + c in float32 with one rounding: the double sum is rounded to odd, so that rounding it again is harmless. */
export function fma(a: number, b: number, c: number): number {
  const product = a * b; // exact: 24 by 24 bits
  let sum = product + c;
  const t = sum - product;
  const error = product - (sum - t) + (c - t);
  if (error !== 0) {
    memory.setFloat64(0, sum);
    const bits = memory.getBigInt64(0);
    if ((bits & 1n) === 0n) {
      memory.setBigInt64(0, bits + (error > 0 === sum > 0 ? 1n : -1n));
      sum = memory.getFloat64(0);
    }
  }
  return Math.fround(sum);
}

/** Horner, highest power first. */
function polynomial(x: number, coefficients: readonly number[]): number {
  return coefficients.reduce((sum, c) => fma(sum, x, c));
}

const logarithm = [
  -0.1744471937417984, 0.28733691573143005, -0.2990453243255615, 0.33124786615371704, -0.39913666248321533,
  0.5000414848327637, -0.6666837334632874, 0.9999997615814209, -2,
];
const sine = [
  0.00015148513193707913, -0.004673766437917948, 0.07968968152999878, -0.645963728427887, 1.5707963705062866,
];
const cosine = [
  -2.3824917661841027e-5, 0.0009177248575724661, -0.02086268924176693, 0.2536693215370178,
  -1.2337005138397217, 1,
];

/** Box-Muller on two words, in float32. */
export function normalPair(a: number, b: number): [number, number] {
  const f = Math.fround(Math.fround(a & 0x7fffffff) + 0.5);
  const i = (bitsOf(f) - 0x3f3504f3) | 0;
  const t = Math.fround(floatOf((i & 0x7fffff) + 0x3f3504f3) - 1);
  const square = fma((i >> 23) - 31, Math.fround(-2 * Math.LN2), Math.fround(t * polynomial(t, logarithm)));
  const radius = Math.fround(Math.sqrt(Math.max(square, 2 ** -60)));
  const y = Math.fround(Math.fround(b | 0) * 2 ** -31);
  const s = Math.fround(y * y);
  const z0 = Math.fround(radius * polynomial(s, cosine));
  return [a >>> 31 ? -z0 : z0, Math.fround(radius * Math.fround(y * polynomial(s, sine)))];
}

/** The same two normals in double arithmetic, from the definition. */
export function exactNormalPair(a: number, b: number): [number, number] {
  const u = ((a & 0x7fffffff) + 0.5) * 2 ** -31;
  const radius = Math.sqrt(-2 * Math.log(u));
  const angle = (Math.PI / 2) * (b | 0) * 2 ** -31;
  return [(a >>> 31 ? -1 : 1) * radius * Math.cos(angle), radius * Math.sin(angle)];
}

/** The four words of a block of the noise at an address. */
function blockWords(noise: NoiseAddress, block: bigint): number[] {
  const { seed, salt = 0, step, stream, substep = 0, particle = 0, visit = 0, node = 0 } = noise;
  const words = (value: bigint) => [Number(value & 0xffffffffn), Number(value >> 32n)];
  const key = threefry([particle, visit, node, 0x66736432], [...words(seed), salt, 0], 20);
  return threefry([...words(block), step, stream + substep * 256], key, 13);
}

/** Flat index of each element of a batch: samples of more than 64 elements begin at a multiple of 64. */
function indices(noise: NoiseAddress, batch: number, size: number): bigint[] {
  const { samples } = noise;
  const stride = size > 64 ? 64 * Math.ceil(size / 64) : size;
  return Array.from({ length: batch * size }, (_, i) => {
    const b = Math.floor(i / size);
    const sample = typeof samples === 'number' ? samples + b : samples[b]!;
    return BigInt(sample) * BigInt(stride) + BigInt(i % size);
  });
}

/** Word of each element where 64 elements share 16 blocks. */
function elementWords(noise: NoiseAddress, batch: number, size: number): { words: number[]; word: number }[] {
  return indices(noise, batch, size).map((g) => ({
    words: blockWords(noise, (g >> 6n) * 16n + (g & 15n)),
    word: Number((g >> 4n) & 3n),
  }));
}

export function normals(
  noise: NoiseAddress,
  batch: number,
  size: number,
  pair: (a: number, b: number) => [number, number] = normalPair,
): number[] {
  return elementWords(noise, batch, size).map(
    ({ words, word }) => pair(words[word & 2]!, words[(word & 2) + 1]!)[word & 1]!,
  );
}

export function uniforms(noise: NoiseAddress, batch: number, size: number): number[] {
  return elementWords(noise, batch, size).map(({ words, word }) => ((words[word]! >>> 9) * 2 + 1) / 2 ** 24);
}

export function rademachers(noise: NoiseAddress, batch: number, size: number): number[] {
  return indices(noise, batch, size).map((g) => {
    const r = Number(g & 2047n);
    const words = blockWords(noise, (g >> 11n) * 16n + (g & 15n));
    return (words[r >> 9]! >>> ((r >> 4) & 31)) & 1 ? -1 : 1;
  });
}

/** A reproducible array of numbers in [-1, 1) that owes nothing to the generator under test (mulberry32). */
export function scrambled(length: number, seed: number): number[] {
  let state = seed;
  return Array.from({ length }, () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 31 - 1;
  });
}
