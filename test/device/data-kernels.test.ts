// Measurements that replace coordinates, and noised data.
import test from 'ava';

import { diffuse } from '../../src/device/diffuse.js';
import { projectMeasurement } from '../../src/device/kernels.js';
import { address, assertClose, float32, float64, shapes } from '../support/kernel-values.js';
import { fma, normals, scrambled } from '../support/native-reference.js';

for (const [batch, size] of shapes) {
  const n = batch * size;

  test(`a measurement replaces the masked coordinates alone at ${batch} x ${size}`, (t) => {
    const z = normals(address, batch, size);
    const x = float32(n, 1);
    const y = float32(n, 2);
    const mask = float32(size, 3).map((m) => (m > 0.5 ? 1 : 0));
    const coefficients = float64(2 * batch, 4);
    const expected = x.map((value, i) => {
      const b = Math.floor(i / size);
      const [alpha, sigma] = [Math.fround(coefficients[2 * b]!), Math.fround(coefficients[2 * b + 1]!)];
      return mask[i % size] === 1 ? fma(sigma, z[i]!, Math.fround(alpha * y[i]!)) : value;
    });
    projectMeasurement(x, y, mask, coefficients, address);
    t.deepEqual(x, expected);
  });
}

test('a measurement in a basis of channels replaces the coordinates basis^T x', (t) => {
  const r = (n: number) => 1 / Math.sqrt(n);
  const basis = Float32Array.of(r(3), -2 * r(6), 0, r(3), r(6), r(2), r(3), r(6), -r(2));
  const [batch, pixels] = [2, 784];
  const size = 3 * pixels;
  const z = normals(address, batch, size);
  const x = float32(batch * size, 1);
  const y = float32(batch * size, 2);
  const mask = Float32Array.from({ length: size }, (_, i) => (i < pixels ? 1 : 0));
  const [alpha, sigma] = [0.8, 0.6];
  const expected = Array.from(x, (_, i) => {
    const [b, c, pixel] = [Math.floor(i / size), Math.floor((i % size) / pixels), i % pixels];
    const at = (channel: number) => b * size + channel * pixels + pixel;
    const u = [0, 1, 2].map((j) => [0, 1, 2].reduce((sum, k) => sum + x[at(k)]! * basis[3 * k + j]!, 0));
    u[0] = alpha * y[at(0)]! + sigma * z[at(0)]!;
    return u.reduce((sum, value, j) => sum + value * basis[3 * c + j]!, 0);
  });
  projectMeasurement(x, y, mask, Float64Array.of(alpha, sigma, alpha, sigma), address, basis);
  assertClose(t, x, expected, 1e-6);
});

for (const [channels, height, width] of [
  [1, 1, 2],
  [1, 28, 28],
  [3, 31, 33],
] as const) {
  test(`diffuse reads, mirrors and noises ${channels} x ${height} x ${width} as its formula says`, (t) => {
    const batch = 3;
    const size = channels * height * width;
    const z = normals(address, batch, size);
    const coefficients = float64(4 * batch, 5);
    const flips = Uint8Array.of(0, 1, 255);
    const bytes = Uint8Array.from(scrambled(batch * size, 6), (value) => 127.5 * (value + 1));
    const scaled = Float32Array.from(bytes, (byte) => fma(byte, Math.fround(2 / 255), -1));
    for (const [x0, clean] of [
      [scaled, scaled],
      [bytes, scaled],
    ] as const) {
      const expected = (first: number, flip: boolean) =>
        Float32Array.from(z, (noise, i) => {
          const b = Math.floor(i / size);
          const column = i % width;
          const from = flip && flips[b] !== 0 ? i - column + (width - 1 - column) : i;
          const [c, d] = [
            Math.fround(coefficients[4 * b + first]!),
            Math.fround(coefficients[4 * b + first + 1]!),
          ];
          return fma(d, noise, Math.fround(c * clean[from]!));
        });
      const [x, target] = [new Float32Array(batch * size), new Float32Array(batch * size)];
      diffuse(x, target, x0, coefficients, address, { range: [-1, 1], flips, width });
      t.deepEqual(x, expected(0, true));
      t.deepEqual(target, expected(2, true));
      diffuse(x, undefined, x0, coefficients, address, { range: [-1, 1] });
      t.deepEqual(x, expected(0, false));
    }
  });
}
