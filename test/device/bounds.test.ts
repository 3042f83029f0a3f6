import test from 'ava';

import { addon } from '../../src/device/addon.js';

const f32 = (length: number): Float32Array<ArrayBuffer> => new Float32Array(length);
const f64 = (...values: number[]) => Float64Array.from(values);

// As a caller without types could write it.
const wrong = (value: unknown) => value as never;

test('the addon bounds every length again', (t) => {
  const native = addon();
  const address = new Uint32Array(8);
  const calls = [
    () => {
      native.affine(undefined, f32(8), [f32(7)], f64(1, 0), undefined, undefined, undefined);
    },
    () => {
      native.affine(undefined, f32(8), [], f64(1), undefined, undefined, undefined);
    },
    () => {
      native.affine(undefined, f32(8), [f32(8)], f64(1, 0, 1), undefined, undefined, undefined);
    },
    () => {
      native.affine(undefined, f32(8), [f32(8)], f64(1, 0), f32(4), undefined, undefined);
    },
    () => {
      native.affine(undefined, f32(8), [f32(8)], f64(1, 0), undefined, new Uint32Array(7), 0);
    },
    () => {
      native.affine(undefined, f32(8), [f32(8)], f64(1, 0), undefined, address, -1);
    },
    () => {
      native.affine(undefined, f32(8), [f32(8)], f64(1, 0), undefined, address, f64(1, 2));
    },
    () => {
      native.langevin(undefined, f32(8), f32(7), f64(0, 1, 1), 0, address, 0, undefined, undefined);
    },
    () => {
      native.langevin(undefined, f32(8), f32(8), f64(0, 1, 1), 3, address, 0, undefined, undefined);
    },
    () => {
      native.langevin(undefined, f32(8), f32(8), f64(0, 1, 1), 0, address, 0, undefined, f64(0, 0));
    },
    () => {
      native.dots(undefined, f32(8), f32(7), f64(0));
    },
    () => {
      native.clip(undefined, f32(8), 1, 0);
    },
    () => {
      native.clip(undefined, f32(8), NaN, 0);
    },
    () => {
      native.threshold(undefined, f32(8), 3, -1, 1, 0.5);
    },
    () => {
      native.threshold(undefined, f32(8), 2, 1, -1, 0.5);
    },
    () => {
      native.threshold(undefined, f32(8), 2, -1, 1, 1.5);
    },
    ...[
      { out: f32(7) },
      { out: f32(12) },
      { rows: Int32Array.of(0, 2) },
      { rows: Int32Array.of(0, -1) },
      { rows: new Int32Array(0) },
    ].map((bad) => () => {
      const { out, rows } = { out: f32(8), rows: Int32Array.of(1, 0), ...bad };
      native.gather(undefined, out, f32(8), rows);
    }),
    ...[{ error: f64(1) }, { before: f64(1) }, { after: f64(1) }, { out: f64(1, 1, 1) }].map((bad) => () => {
      const all = { error: f64(1, 1), before: f64(1, 1), after: f64(1, 1), out: f64(1), ...bad };
      native.scaledErrors(undefined, all.error, all.before, all.after, 1, 1, all.out, 0, 0);
    }),
    ...[2, 0.5, -1, NaN].map((bad) => () => {
      native.scaledErrors(undefined, f64(1), f64(1), f64(1), 1, 1, f64(1), 0, bad);
    }),
    () => {
      native.fill(undefined, f32(8), 3, 0, address, 0);
    },
    () => {
      native.fill(undefined, f32(8), 1, 3, address, 0);
    },
    () => {
      native.projectMeasurement(undefined, f32(8), f32(8), f32(7), f64(1, 1), address, 0, undefined);
    },
    () => {
      native.projectMeasurement(undefined, f32(8), f32(8), f32(8), f64(1, 1), address, 0, f32(400));
    },
    () => {
      native.toBytes(f32(8), 0, 1, new Uint8Array(7));
    },
    () => {
      native.fromBytes(new Uint8Array(7), 0, 1, f32(8));
    },
    ...[
      { x0: f32(7) },
      { x0: new Uint8Array(7) },
      { target: f32(7) },
      { coefficients: f64(1, 1, 1) },
      { coefficients: new Float64Array(12) },
      { flips: new Uint8Array(2) },
      { width: 0 },
      { width: 3 },
      { width: 9 },
    ].map((bad) => () => {
      const all = {
        x0: f32(8),
        target: f32(8),
        coefficients: f64(1, 1, 1, 1),
        flips: new Uint8Array(1),
        width: 4,
        ...bad,
      };
      const { x0, target, coefficients, flips, width } = all;
      native.diffuse(undefined, f32(8), target, x0, 0, 1, flips, width, coefficients, address, 0);
    }),
    () => {
      native.adamw(undefined, f32(8), f32(8), f32(7), f32(8), [], f64(), new Float64Array(7), undefined);
    },
    () => {
      native.adamw(
        undefined,
        f32(8),
        f32(8),
        f32(8),
        f32(8),
        [f32(7)],
        f64(0),
        new Float64Array(7),
        undefined,
      );
    },
    () => {
      native.setThreads(0);
    },
  ];
  for (const call of calls) t.throws(call, { instanceOf: RangeError }, call.toString());
  t.throws(
    () => {
      native.dots(undefined, wrong('x'), f32(8), f64(0));
    },
    { instanceOf: TypeError },
  );
  t.throws(
    () => {
      native.affine(undefined, f32(8), wrong(1), f64(1, 0), undefined, undefined, undefined);
    },
    { instanceOf: TypeError },
  );
});

test('a getter in a list of arrays cannot pull memory away from under the kernels', (t) => {
  const native = addon();
  const trap = (victim: Float32Array<ArrayBuffer>) =>
    Object.defineProperty([f32(8)], 0, {
      get() {
        structuredClone(victim.buffer, { transfer: [victim.buffer] });
        return f32(8);
      },
    });
  const out = f32(8);
  t.throws(
    () => {
      native.affine(undefined, out, trap(out), f64(1, 0), undefined, undefined, undefined);
    },
    { message: /has length 8 instead of 0|not 1 samples/ },
  );
  const parameters = f32(8);
  t.throws(
    () => {
      native.adamw(
        undefined,
        parameters,
        f32(8),
        f32(8),
        f32(8),
        trap(parameters),
        f64(0),
        new Float64Array(7),
        undefined,
      );
    },
    { instanceOf: RangeError },
  );
});

test('numbers are not made of what is no number, since a valueOf could do the same', (t) => {
  const native = addon();
  const address = new Uint32Array(8);
  const one = wrong({ valueOf: () => 1 });
  const calls = [
    () => {
      native.fill(undefined, f32(8), one, 0, address, 0);
    },
    () => {
      native.langevin(undefined, f32(8), f32(8), f64(0, 1, 1), one, address, 0, undefined, undefined);
    },
    () => {
      native.toBytes(f32(8), one, 2, new Uint8Array(8));
    },
    () => {
      native.setThreads(one);
    },
    () => {
      native.selectIsa(wrong({ toString: () => 'baseline' }));
    },
  ];
  for (const call of calls) t.throws(call, { instanceOf: TypeError }, call.toString());
});
