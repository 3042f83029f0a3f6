// Updates of states: affine, Langevin, and the noise in them.
import test from 'ava';

import type { NormMode, State } from '../../src/device/binding.js';
import { affine, fillNormal, langevinStep, addNoise } from '../../src/device/kernels.js';
import { address, assertClose, float32, float64, shapes } from '../support/kernel-values.js';
import { fma, normals } from '../support/native-reference.js';

for (const [batch, size] of shapes) {
  const n = batch * size;

  test(`affine in float32 rounds each term once, in order, at ${batch} x ${size}`, (t) => {
    const z = normals(address, batch, size);
    for (const count of [1, 2, 3, 8]) {
      const operands = Array.from({ length: count }, (_, j) => float32(n, j + 1));
      const coefficients = float64(batch * (count + 1), 99);
      const mean = Float32Array.from({ length: n }, (_, i) => {
        const c = coefficients.subarray(Math.floor(i / size) * (count + 1)).map(Math.fround);
        return operands
          .slice(1)
          .reduce((s, x, j) => fma(c[j + 1]!, x[i]!, s), Math.fround(c[0]! * operands[0]![i]!));
      });
      const noisy = mean.map((m, i) =>
        fma(Math.fround(coefficients[Math.floor(i / size) * (count + 1) + count]!), z[i]!, m),
      );
      const out = new Float32Array(n);
      const outMean = new Float32Array(n);
      affine(out, operands, coefficients, address, outMean);
      t.deepEqual(out, noisy);
      t.deepEqual(outMean, mean);
      affine(out, operands, coefficients);
      t.deepEqual(out, mean);
      affine(operands[0]!, operands, coefficients, address);
      t.deepEqual(operands[0], noisy, 'in place');
    }
  });

  test(`affine in float64 takes float32 and float64 operands at ${batch} x ${size}`, (t) => {
    const z = normals(address, batch, size);
    const operands = [float64(n, 1), float32(n, 2), float64(n, 3)] as const;
    const coefficients = float64(batch * 4, 4);
    const mean = Float64Array.from({ length: n }, (_, i) => {
      const b = 4 * Math.floor(i / size);
      return operands.reduce((sum, x, j) => sum + coefficients[b + j]! * x[i]!, 0);
    });
    const noisy = mean.map((m, i) => m + coefficients[4 * Math.floor(i / size) + 3]! * z[i]!);
    const outMean = new Float64Array(n);
    affine(operands[0], operands, coefficients, address, outMean);
    assertClose(t, operands[0], noisy, 1e-15);
    assertClose(t, outMean, mean, 1e-15);
  });

  for (const norm of ['batch', 'sample', 'sqrt-d'] as NormMode[]) {
    test(`langevin with ${norm} norms follows its formula at ${batch} x ${size}`, (t) => {
      const z = normals(address, batch, size);
      const cases: [State, State, number][] = [
        [float32(n, 1), float32(n, 2), 2e-6],
        [float64(n, 1), float32(n, 2), 3e-7],
        [float64(n, 1), float64(n, 2), 3e-7],
      ];
      for (const [x, output, tolerance] of cases) {
        const coefficients = float64(batch * 3, 3).map((c, i) => (i % 3 === 2 ? 0.05 * (1 + c) : c));
        const expected = langevinReference(x, output, coefficients, norm, z);
        const mean = x.slice();
        const steps = new Float64Array(batch);
        langevinStep(x, output, coefficients, norm, address, { mean, steps });
        assertClose(t, steps, expected.steps, 1e-6);
        assertClose(t, mean, expected.mean, tolerance * 10);
        assertClose(t, x, expected.x, tolerance * 10);
      }
    });
  }

  test(`noise has the deviation of its element at ${batch} x ${size}`, (t) => {
    const v = Float32Array.from(float64(n, 3));
    const coefficients = Float64Array.from({ length: 2 * batch }, (_, i) => (i % 2 ? 0.5 + i : -i) / batch);
    const z = new Float64Array(n);
    fillNormal(z, batch, address);
    for (const Type of [Float32Array, Float64Array]) {
      const before = Type.from(float64(n, 1));
      const x = before.slice();
      addNoise(x, v, coefficients, address);
      let worst = 0;
      for (let i = 0; i < n; i++) {
        const [shift, factor] = coefficients.subarray(2 * Math.floor(i / size));
        const added = Math.exp(shift! + factor! * v[i]!) * z[i]!;
        const scale = Math.abs(added) + Math.abs(before[i]!);
        worst = Math.max(worst, Math.abs(x[i]! - before[i]! - added) / scale);
      }
      t.true(worst < 1e-6, `${Type.name}: ${worst}`);
    }
  });
}

function langevinReference(
  x: State,
  output: State,
  coefficients: Float64Array,
  norm: NormMode,
  z: readonly number[],
): { x: number[]; mean: number[]; steps: number[] } {
  const batch = coefficients.length / 3;
  const size = x.length / batch;
  const score = Array.from(x, (value, i) => {
    const b = 3 * Math.floor(i / size);
    return coefficients[b]! * value + coefficients[b + 1]! * output[i]!;
  });
  const normOf = (values: readonly number[], b: number) =>
    Math.hypot(...values.slice(b * size, (b + 1) * size));
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const range = Array.from({ length: batch }, (_, b) => b);
  let scoreNorms = range.map((b) => normOf(score, b));
  let noiseNorms = range.map((b) => (norm === 'sqrt-d' ? Math.sqrt(size) : normOf(z, b)));
  if (norm === 'batch') {
    scoreNorms = range.map(() => mean(scoreNorms));
    noiseNorms = range.map(() => mean(noiseNorms));
  }
  const steps = range.map((b) => coefficients[3 * b + 2]! * (noiseNorms[b]! / scoreNorms[b]!) ** 2);
  const means = Array.from(x, (value, i) => value + steps[Math.floor(i / size)]! * score[i]!);
  return {
    steps,
    mean: means,
    x: means.map((m, i) => m + Math.sqrt(2 * steps[Math.floor(i / size)]!) * z[i]!),
  };
}

test('a score of zero leaves the sample where it is', (t) => {
  for (const norm of ['batch', 'sample', 'sqrt-d'] as const) {
    const x = float32(64, 1);
    const before = x.slice();
    const steps = new Float64Array(2).fill(NaN);
    langevinStep(x, new Float32Array(64), Float64Array.of(0, 1, 0.05, 0, 1, 0.05), norm, address, { steps });
    t.deepEqual(x, before);
    t.deepEqual([...steps], [0, 0]);
  }
});

test('float64 noise is the float32 noise, widened', (t) => {
  const narrow = new Float32Array(5000);
  const wide = new Float64Array(5000);
  fillNormal(narrow, 2, address);
  fillNormal(wide, 2, address);
  t.deepEqual(wide, Float64Array.from(narrow));
});
