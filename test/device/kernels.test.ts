import test from 'ava';

import { type NoiseAddress, type NormMode, type State, Stream } from '../../src/device/binding.js';
import { diffuse } from '../../src/device/diffuse.js';
import {
  affine,
  clip,
  threshold,
  dots,
  fillNormal,
  fromBytes,
  gather,
  langevinStep,
  projectMeasurement,
  matchSpread,
  addNoise,
  scaledErrors,
  toBytes,
} from '../../src/device/kernels.js';
import { fma, normals, scrambled } from '../support/native-reference.js';

const address: NoiseAddress = { seed: 42n, samples: 1000, step: 7, stream: Stream.predictor };
const shapes = [
  [1, 1],
  [64, 2],
  [3, 784],
  [2, 3072],
  [2, 20001],
] as const;

const float32 = (length: number, seed: number) => Float32Array.from(scrambled(length, seed));
const float64 = (length: number, seed: number) => Float64Array.from(scrambled(length, seed));

function assertClose(
  t: { true: (value: boolean, message: string) => void },
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
): void {
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(actual[i]! - expected[i]!) / Math.max(1, Math.abs(expected[i]!));
    if (!(error <= tolerance)) t.true(false, `element ${i} is ${actual[i]!}, expected ${expected[i]!}`);
  }
  t.true(actual.length === expected.length, 'lengths agree');
}

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

  test(`dots are summed in double precision at ${batch} x ${size}`, (t) => {
    const pairs: [State, State][] = [
      [float32(n, 1), float32(n, 2)],
      [float64(n, 1), float64(n, 2)],
      [float64(n, 1), float32(n, 2)],
      [float32(n, 1), float64(n, 2)],
    ];
    for (const [a, b] of pairs) {
      const out = new Float64Array(batch);
      dots(a, b, out);
      const expected = out.map((_, s) => {
        let sum = 0;
        for (let i = s * size; i < (s + 1) * size; i++) sum += a[i]! * b[i]!;
        return sum;
      });
      assertClose(t, out, expected, 1e-12);
    }
  });

  test(`clipping keeps what lies between the bounds, and NaN, at ${batch} x ${size}`, (t) => {
    for (const x of [float32(n, 1), float64(n, 1)]) {
      x.set([NaN, Infinity, -Infinity, -0].slice(0, n));
      const [low, high] = [-0.25, 0.5];
      const expected = x.map((v) => Math.min(Math.max(v, low), high));
      clip(x, low, high);
      t.deepEqual([...x], [...expected]);
      const untouched = x.slice();
      clip(x, -Infinity, Infinity);
      t.deepEqual([...x], [...untouched]);
    }
  });

  test(`thresholding brings the quantile of every sample to the bound, and clips, at ${batch} x ${size}`, (t) => {
    for (const quantile of [0, 0.3, 0.95, 1]) {
      const x = float64(n, 1);
      const [low, high] = [-0.25, 0.5];
      const expected = x.slice();
      for (let b = 0; b < batch; b++) {
        const sample = expected.subarray(b * size, (b + 1) * size);
        const sorted = sample.map((v) => Math.abs(v - 0.125)).sort();
        const place = quantile * (size - 1);
        const [below, above] = [sorted[Math.floor(place)]!, sorted[Math.ceil(place)]!];
        const bound = Math.max(0.375, below + (place - Math.floor(place)) * (above - below));
        sample.forEach((v, e) => {
          sample[e] = Math.min(high, Math.max(low, 0.125 + ((v - 0.125) * 0.375) / bound));
        });
      }
      const single = Float32Array.from(x);
      threshold(x, batch, [low, high], quantile);
      assertClose(t, x, expected, 1e-14);
      threshold(single, batch, [low, high], quantile);
      assertClose(t, Float64Array.from(single), expected, 1e-6);
    }
    const odd = float32(n, 1).fill(NaN, 0, 1);
    threshold(odd, batch, [-1, 1], 0.5);
    t.true(Number.isNaN(odd[0]));
  });

  test(`rows are gathered in any order, some of them twice, at ${batch} x ${size}`, (t) => {
    for (const x of [float32(n, 1), float64(n, 1)]) {
      const rows = Int32Array.from({ length: batch + 1 }, (_, i) => (5 * i + 2) % batch);
      const expected = [...rows].flatMap((row) => [...x.subarray(row * size, (row + 1) * size)]);
      const out = new (x.constructor as typeof Float64Array)((batch + 1) * size);
      gather(out, x, rows);
      t.deepEqual([...out], expected);
    }
  });

  test(`errors in units of the tolerance have the bits of the loop in JavaScript at ${batch} x ${size}`, (t) => {
    const [error, before, after] = [float64(n, 1), float64(n, 2), float64(n, 3)];
    const [atol, rtol] = [1e-5, 1e-3];
    const expected = Float64Array.from({ length: batch }, (_, b) => {
      let sum = 0;
      for (let e = b * size; e < (b + 1) * size; e++) {
        const scaled = error[e]! / (atol + rtol * Math.max(Math.abs(before[e]!), Math.abs(after[e]!)));
        sum += scaled * scaled;
      }
      return sum / size;
    });
    const out = new Float64Array(batch);
    scaledErrors(error, before, after, atol, rtol, out);
    t.deepEqual(out, expected);
    for (const scale of ['sum', 'larger'] as const) {
      const squares = error.map((value, i) => {
        const relative = rtol * Math.max(Math.abs(before[i]!), Math.abs(after[i]!));
        return (value / (scale === 'sum' ? atol + relative : Math.max(atol, relative))) ** 2;
      });
      const of = (b: number) => squares.subarray(b * size, (b + 1) * size);
      scaledErrors(error, before, after, atol, rtol, out, { scale });
      t.deepEqual(
        out,
        out.map((_, b) => of(b).reduce((sum, x) => sum + x, 0) / size),
      );
      scaledErrors(error, before, after, atol, rtol, out, { scale, norm: 'max' });
      t.deepEqual(
        out,
        out.map((_, b) => of(b).reduce((most, x) => Math.max(most, x), 0)),
      );
    }
    for (const array of [error, before, after]) {
      const value = array[n - 1]!;
      array[n - 1] = NaN;
      for (const measure of [{}, { scale: 'larger' }, { norm: 'max' }] as const) {
        scaledErrors(error, before, after, atol, rtol, out, measure);
        t.is(out[batch - 1], NaN);
      }
      array[n - 1] = value;
    }
  });

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

  test(`samples get the share of the spread of others at ${batch} x ${size}`, (t) => {
    const [x, reference] = [float64(n, 1), float64(n, 2).map((value) => 3 * value + 5)];
    const deviation = (values: Float64Array) => {
      const mean = values.reduce((sum, value) => sum + value, 0) / size;
      return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / size);
    };
    const shares = Float64Array.from({ length: batch }, (_, b) => b / batch);
    const found = x.slice();
    matchSpread(found, reference, shares);
    const single = Float32Array.from(x);
    matchSpread(single, Float32Array.from(reference), shares);
    for (let b = 0; b < batch; b++) {
      const own = x.subarray(b * size, (b + 1) * size);
      const ratio = deviation(reference.subarray(b * size, (b + 1) * size)) / deviation(own);
      const factor = size === 1 ? 1 : 1 + shares[b]! * (ratio - 1);
      own.forEach((value, e) => {
        const near = (got: number, by: number) =>
          Math.abs(got - factor * value) <= by * Math.abs(factor * value);
        if (!near(found[b * size + e]!, 1e-12)) t.fail(`${found[b * size + e]} is not ${factor * value}`);
        if (!near(single[b * size + e]!, 1e-5)) t.fail(`${single[b * size + e]} is not ${factor * value}`);
      });
    }
    const even = new Float64Array(n).fill(2);
    matchSpread(even, reference, shares);
    t.true(
      even.every((value) => value === 2),
      'what is even has no spread',
    );
  });

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

test('bytes round to nearest, ties to even, and clamp', (t) => {
  const x = Float32Array.of(-3, 0.5, 1.5, 2.5, 254.5, 255.4, 1000, NaN, Infinity, -Infinity);
  const out = new Uint8Array(x.length);
  toBytes(x, 0, 255, out);
  t.deepEqual([...out], [0, 0, 2, 2, 254, 255, 255, 0, 255, 0]);
});

test('every byte survives the way to floats and back', (t) => {
  const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
  for (const [low, high] of [
    [0, 1],
    [-1, 1],
    [-0.5, 0.5],
    [0, 255],
    [-2.1, 2.6],
  ] as const) {
    const floats = new Float32Array(256);
    const back = new Uint8Array(256);
    fromBytes(bytes, low, high, floats);
    assertClose(
      t,
      floats,
      Array.from(bytes, (b) => low + ((high - low) * b) / 255),
      1e-6,
    );
    toBytes(floats, low, high, back);
    t.deepEqual(back, bytes);
  }
});

test('float64 noise is the float32 noise, widened', (t) => {
  const narrow = new Float32Array(5000);
  const wide = new Float64Array(5000);
  fillNormal(narrow, 2, address);
  fillNormal(wide, 2, address);
  t.deepEqual(wide, Float64Array.from(narrow));
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
