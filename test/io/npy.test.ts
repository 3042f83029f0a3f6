import test from 'ava';
import fc from 'fast-check';
import { DataError } from '../../src/errors.js';
import { decodeNpy, encodeNpy, type NdArray, type NumericArray } from '../../src/io/npy.js';
import { decodeNpz, encodeNpz } from '../../src/io/npz.js';

const arrays: NumericArray[] = [
  Float32Array.of(1.5, -2, Infinity, 0, 3, 7),
  Float64Array.of(Math.PI, -0, 1e300, 4, 5, 6),
  Int32Array.of(-1, 2, 3, 4, 5, 6),
  BigInt64Array.of(-1n, 2n, 3n, 4n, 5n, 1n << 60n),
  Uint8Array.of(0, 1, 2, 253, 254, 255),
];

test('an array of every type survives npy and npz', (t) => {
  for (const data of arrays) {
    const array = { data, shape: [3, 2] };
    t.deepEqual(decodeNpy(encodeNpy(array)), array);
    t.deepEqual(decodeNpz(encodeNpz({ first: array, second: array })), { first: array, second: array });
  }
});

test('an array of any shape survives npy, its data aligned to 64 bytes', (t) => {
  fc.assert(
    fc.property(fc.array(fc.nat(4), { maxLength: 5 }), (shape) => {
      const count = shape.reduce((product, extent) => product * extent, 1);
      const array: NdArray = { data: Float32Array.from({ length: count }, (_, i) => i), shape };
      const bytes = encodeNpy(array);
      t.is((bytes.length - 4 * count) % 64, 0);
      t.deepEqual(decodeNpy(bytes), array);
    }),
    { numRuns: 50, seed: 1 },
  );
});

// numpy.save of numpy.asfortranarray([[1, 2, 3], [4, 5, 6]], dtype='<i2'), header padded by NumPy.
test('an array in Fortran order is put in row-major order', (t) => {
  const dictionary = "{'descr': '<i2', 'fortran_order': True, 'shape': (2, 3), }".padEnd(117) + '\n';
  const header = Buffer.from(`\x93NUMPY\x01\x00\x76\x00${dictionary}`, 'latin1');
  const bytes = Buffer.concat([header, Buffer.from(Int16Array.of(1, 4, 2, 5, 3, 6).buffer)]);
  t.deepEqual(decodeNpy(bytes), { data: Int16Array.of(1, 2, 3, 4, 5, 6), shape: [2, 3] });
});

// numpy.save of numpy.array([[1.5, -2, 0.1], [65504, 6e-8, numpy.inf]], dtype='<f2').
test('half precision is read as single', (t) => {
  const dictionary = "{'descr': '<f2', 'fortran_order': False, 'shape': (2, 3), }".padEnd(117) + '\n';
  const header = Buffer.from(`\x93NUMPY\x01\x00\x76\x00${dictionary}`, 'latin1');
  const bytes = Buffer.concat([header, Buffer.from('003e00c0662eff7b0100007c', 'hex')]);
  const data = Float32Array.of(1.5, -2, 0.0999755859375, 65504, 2 ** -24, Infinity);
  t.deepEqual(decodeNpy(bytes), { data, shape: [2, 3] });
});

// numpy.savez_compressed of x = numpy.zeros((1, 300), 'u1').
const compressed = Buffer.from(
  'UEsDBC0AAAAIAAAAIQAr+x3L//////////8FABQAeC5ucHkBABAArAEAAAAAAABNAAAAAAAAAJvsF+obEMnIUMZQrZ6SWpxc' +
    'pG6loF5Taqiuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GoY6CsYGBpo6CrUKZAIuhlFANAAAUEsBAi0DLQAAAAgA' +
    'AAAhACv7HctNAAAArAEAAAUAAAAAAAAAAAAAAIABAAAAAHgubnB5UEsFBgAAAAABAAEAMwAAAIQAAAAAAA==',
  'base64',
);

test('a deflated archive of numpy.savez_compressed is read', (t) => {
  t.deepEqual(decodeNpz(compressed), { x: { data: new Uint8Array(300), shape: [1, 300] } });
});

test('damaged files are refused with what is wrong', (t) => {
  const npy = encodeNpy({ data: Float32Array.of(1, 2, 3), shape: [3] });
  t.throws(() => decodeNpy(npy.subarray(0, npy.length - 1), 'a.npy'), {
    instanceOf: DataError,
    message: 'a.npy is cut short: 12 bytes of data expected, 11 found.',
  });
  t.throws(() => decodeNpy(Buffer.from('not an array'), 'a.npy'), { message: /not a \.npy file/ });
  const swapped = Buffer.from(Buffer.from(npy).toString('latin1').replace('<f4', '>f4'), 'latin1');
  t.throws(() => decodeNpy(swapped), { message: /type >f4/ });
  const npz = encodeNpz({ x: { data: Float32Array.of(1, 2, 3), shape: [3] } });
  t.throws(() => decodeNpz(npz.subarray(0, 100), 'a.npz'), { message: /a\.npz is not a complete zip/ });
  npz[170]! ^= 1;
  t.throws(() => decodeNpz(npz, 'a.npz'), { message: /checksum of x\.npy/ });
});
