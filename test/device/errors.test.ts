// Kernels that read or rearrange elements refuse what they cannot use.
import { setThreads } from '../../src/device/addon.js';
import { fromBytes, toBytes } from '../../src/device/bytes.js';
import { clip, threshold, dots, gather, matchSpread, scaledErrors } from '../../src/device/kernels.js';
import { f32, f64, wrong, testRefusals } from '../support/refusals.js';

const shared = f32(20);

testRefusals([
  [
    'products of unequal lengths',
    'b',
    () => {
      dots(f32(8), f32(9), f64(0));
    },
  ],
  [
    'more products than elements',
    'out',
    () => {
      dots(f32(8), f32(8), new Float64Array(16));
    },
  ],
  [
    'bytes of another length',
    'out',
    () => {
      toBytes(f32(8), 0, 1, new Uint8Array(7));
    },
  ],
  [
    'an empty range',
    'high',
    () => {
      toBytes(f32(8), 1, 1, new Uint8Array(8));
    },
  ],
  [
    'a NaN range',
    'low',
    () => {
      fromBytes(new Uint8Array(8), NaN, 1, f32(8));
    },
  ],
  [
    'a lower bound above the upper',
    'low',
    () => {
      clip(f32(8), 1, -1);
    },
  ],
  [
    'a NaN bound',
    'low',
    () => {
      clip(f32(8), NaN, 1);
    },
  ],
  [
    'samples that do not divide the elements',
    'samples',
    () => {
      threshold(f32(8), 3, [-1, 1], 0.5);
    },
  ],
  [
    'an empty range',
    'low',
    () => {
      threshold(f32(8), 2, [1, 1], 0.5);
    },
  ],
  [
    'a quantile of 2',
    'quantile',
    () => {
      threshold(f32(8), 2, [-1, 1], 2);
    },
  ],
  [
    'rows of another type',
    'rows',
    () => {
      gather(f32(8), f32(8), wrong([0, 1]));
    },
  ],
  [
    'rows that do not divide the result',
    'rows',
    () => {
      gather(f32(8), f32(8), new Int32Array(3));
    },
  ],
  [
    'a row beyond the last',
    'rows[1]',
    () => {
      gather(f32(8), f32(8), Int32Array.of(0, 2));
    },
  ],
  [
    'rows gathered onto themselves',
    'x',
    () => {
      gather(shared.subarray(0, 8), shared, Int32Array.of(0, 1));
    },
  ],
  [
    'samples of another type',
    'x',
    () => {
      gather(f32(8), wrong(new Float64Array(8)), Int32Array.of(0, 1));
    },
  ],
  [
    'errors of another length',
    'after',
    () => {
      scaledErrors(f64(1, 1), f64(1, 1), f64(1), 1, 1, f64(0));
    },
  ],
  [
    'a negative tolerance',
    'rtol',
    () => {
      scaledErrors(f64(1), f64(1), f64(1), 1, -1, f64(0));
    },
  ],
  [
    'an unknown scale',
    'scale',
    () => {
      scaledErrors(f64(1), f64(1), f64(1), 1, 1, f64(0), { scale: wrong('both') });
    },
  ],
  [
    'an unknown norm of errors',
    'norm',
    () => {
      scaledErrors(f64(1), f64(1), f64(1), 1, 1, f64(0), { norm: wrong('l1') });
    },
  ],
  [
    'samples that do not divide the errors',
    'out',
    () => {
      scaledErrors(f64(1, 1), f64(1, 1), f64(1, 1), 1, 1, f64(0, 0, 0));
    },
  ],
  [
    'a reference of another precision',
    'reference',
    () => {
      matchSpread(f64(1, 2), wrong(Float32Array.of(1, 2)), f64(1));
    },
  ],
  [
    'samples that do not divide the shares',
    'shares',
    () => {
      matchSpread(f64(1, 2), f64(1, 2), f64(1, 1, 1));
    },
  ],
  [
    '0 threads',
    'threads',
    () => {
      setThreads(0);
    },
  ],
]);
