import { createHash } from 'node:crypto';

import { addon } from '../../src/device/addon.js';
import { adamw, globalNorm } from '../../src/device/adamw.js';
import { type NoiseAddress, type State, Stream } from '../../src/device/binding.js';
import { diffuse } from '../../src/device/diffuse.js';
import { fromBytes, toBytes } from '../../src/device/bytes.js';
import {
  affine,
  clip,
  dots,
  fillNormal,
  fillRademacher,
  fillUniform,
  gather,
  langevinStep,
  projectMeasurement,
  scaledErrors,
} from '../../src/device/kernels.js';
import { scrambled } from './native-reference.js';

const address: NoiseAddress = { seed: 99n, samples: 17, step: 3, stream: Stream.corrector };

const float32 = (length: number, seed: number) => Float32Array.from(scrambled(length, seed));
const float64 = (length: number, seed: number) => Float64Array.from(scrambled(length, seed));

/** Results of every kernel on a batch of samples, in one array per result. */
function everyKernel(batch: number, size: number): State[] {
  const n = batch * size;
  const results: State[] = [];
  for (const kernel of [fillNormal, fillUniform, fillRademacher]) {
    const out = new Float32Array(n);
    kernel(out, batch, address);
    results.push(out);
  }
  for (const type of [float32, float64]) {
    const x = type(n, 1);
    const mean = type(n, 2);
    affine(x, [x, float32(n, 3), float32(n, 4)], float64(4 * batch, 5), address, mean);
    results.push(x, mean);
    for (const norm of ['batch', 'sample', 'sqrt-d'] as const) {
      const state = type(n, 1);
      const steps = new Float64Array(batch);
      const coefficients = Float64Array.from({ length: 3 * batch }, (_, i) => [-0.5, 0.9, 0.05][i % 3]!);
      langevinStep(state, float32(n, 2), coefficients, norm, address, { mean, steps });
      results.push(state, mean, steps);
    }
    const products = new Float64Array(batch);
    dots(type(n, 1), float32(n, 2), products);
    results.push(products);
    const clipped = type(n, 6);
    clip(clipped, -0.25, 0.5);
    const gathered = type(n, 7);
    gather(
      gathered,
      clipped,
      Int32Array.from({ length: batch }, (_, b) => (3 * b) % batch),
    );
    results.push(clipped, gathered);
  }
  const errors = new Float64Array(batch);
  scaledErrors(float64(n, 1), float64(n, 2), float64(n, 3), 1e-5, 1e-3, errors);
  results.push(errors);
  const worst = new Float64Array(batch);
  const measure = { scale: 'larger', norm: 'max' } as const;
  scaledErrors(float64(n, 1), float64(n, 2), float64(n, 3), 1e-2, 1e-2, worst, measure);
  results.push(worst);
  const basis = Float32Array.of(0.6, -0.8, 0.8, 0.6);
  const mask = Float32Array.from({ length: size }, (_, i) => (i % 7 < 3 && i < size / 2 ? 1 : 0));
  for (const matrix of size % 2 === 0 ? [undefined, basis] : [undefined]) {
    const x = float32(n, 1);
    projectMeasurement(x, float32(n, 2), mask, float64(2 * batch, 3), address, matrix);
    results.push(x);
  }
  const bytes = new Uint8Array(n);
  toBytes(float32(n, 1), -1, 1, bytes);
  const back = new Float32Array(n);
  fromBytes(bytes, -1, 1, back);
  results.push(back);
  const flips = Uint8Array.from({ length: batch }, (_, b) => b % 2);
  for (const x0 of [float32(n, 1), bytes]) {
    const [x, target] = [new Float32Array(n), new Float32Array(n)];
    diffuse(x, target, x0, float64(4 * batch, 3), address, { range: [-1, 1], flips, width: size });
    results.push(x, target);
  }
  const [p, m, v, average] = [1, 2, 3, 4].map((seed) => float32(n, seed).map(Math.abs)) as [
    Float32Array,
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  adamw(p, float32(n, 5), m, v, [{ values: average, decay: 0.99 }], { learningRate: 0.01, step: 3 });
  results.push(p, m, v, average, Float64Array.of(globalNorm([p, m])));
  return results;
}

function digest(results: State[]): string {
  const hash = createHash('sha256');
  for (const result of results)
    hash.update(new Uint8Array(result.buffer, result.byteOffset, result.byteLength));
  return hash.digest('hex');
}

const sizes = [
  [64, 2],
  [5, 777],
  [3, 8192],
  [4, 70000],
] as const;

/** Products, factors and eigenvectors of matrices of several blocks. */
function linearAlgebra(n: number): State[] {
  const x = float32(n * (n + 20), 1);
  const [gram, factor, inverse, values, vectors] = [n * n, n * n, n * n, n, n * n].map(
    (length) => new Float64Array(length),
  ) as [Float64Array, Float64Array, Float64Array, Float64Array, Float64Array];
  addon().multiply(undefined, gram, x, true, x, false, n + 20, false);
  addon().factorize(undefined, gram, factor, new Int32Array(n));
  const lower = float64(n * n, 2).map((value, k) => (k % (n + 1) === 0 ? 2 + value : value));
  addon().invertTriangular(undefined, lower, inverse);
  addon().eigen(undefined, gram.slice(), values, vectors);
  return [gram, factor, inverse, values, vectors];
}

/** SHA-256 of the results of every kernel on batches that take every path: small samples, ragged ones, several tiles, noise made twice. */
export function digests(): string {
  return [...sizes.map(([batch, size]) => everyKernel(batch, size)), linearAlgebra(150)]
    .map(digest)
    .join('\n');
}
