import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import test from 'ava';
import { decodeCifar10 } from '../../src/data/cifar10.js';
import { checkSampleShape, modelValues, pick, slice } from '../../src/data/dataset.js';
import { decodeIdx } from '../../src/data/idx.js';
import { loadData } from '../../src/data/load.js';
import { mnist } from '../../src/data/mnist.js';
import { DataError, ModelError } from '../../src/errors.js';
import { readImage, writeImageFolder } from '../../src/io/image.js';
import { encodeNpy } from '../../src/io/npy.js';
import { encodeNpz } from '../../src/io/npz.js';
import { readBytes, readJson } from '../../src/io/read.js';
import { readModel } from '../../src/onnx/file/model.js';
import { createSession } from '../../src/onnx/run/runtime.js';

const folder = await mkdtemp(join(tmpdir(), 'fastsde-data-'));
test.after.always(() => rm(folder, { recursive: true }));

async function file(name: string, bytes: Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, bytes);
  return path;
}

// Two images of 2 x 3 bytes, as the format's description lays them out.
const idx = Buffer.from([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3, ...Array(12).keys()]);
const bytes = Uint8Array.from(Array(12).keys());

test('an IDX file is read, plain or compressed', async (t) => {
  const set = { data: bytes, shape: [2, 1, 2, 3] };
  t.deepEqual(await loadData(await file('images-idx3-ubyte', idx)), set);
  t.deepEqual(await loadData(await file('images.gz', gzipSync(idx))), set);
  const floats = Buffer.from([0, 0, 0x0d, 1, 0, 0, 0, 1, 0x3f, 0xc0, 0, 0]);
  t.deepEqual(decodeIdx(floats), { data: Float32Array.of(1.5), shape: [1] });
});

test('an IDX file that is cut short or something else is refused', (t) => {
  t.throws(() => decodeIdx(idx.subarray(0, 20), 'a'), {
    message: 'a should hold 12 bytes of data, and holds 4.',
  });
  t.throws(() => decodeIdx(gzipSync(idx).subarray(0, 20), 'a'), { message: /a is damaged/ });
  t.throws(() => decodeIdx(Buffer.from('text'), 'a'), {
    instanceOf: DataError,
    message: 'a is not an IDX file.',
  });
});

test('a CIFAR-10 batch is read channel by channel with its classes', async (t) => {
  const record = (label: number): number[] => [
    label,
    ...Array.from({ length: 3072 }, (_, i) => (i + label) % 256),
  ];
  const set = await loadData(await file('data_batch_1.bin', Uint8Array.from([...record(3), ...record(9)])));
  t.deepEqual(set.shape, [2, 3, 32, 32]);
  t.deepEqual(set.labels, Int32Array.of(3, 9));
  t.is(set.data[3072 + 1], 10);
  t.throws(() => decodeCifar10(new Uint8Array(3074)), { message: /records of 3073 bytes/ });
  t.throws(() => decodeCifar10(Uint8Array.from(record(10))), { instanceOf: DataError });
});

test('npy and npz keep floats, and put images in channel order', async (t) => {
  const floats = { data: Float32Array.of(1, 2, 3, 4), shape: [2, 2] };
  t.deepEqual(await loadData(await file('floats.npy', encodeNpy(floats))), floats);
  const images = { data: Uint8Array.from({ length: 24 }, (_, i) => i), shape: [1, 2, 4, 3] };
  const labels = { data: BigInt64Array.of(7n), shape: [1] };
  const set = await loadData(await file('images.npz', encodeNpz({ x: images, y: labels })));
  t.deepEqual(set.shape, [1, 3, 2, 4]);
  t.deepEqual([...set.data.subarray(0, 9)], [0, 3, 6, 9, 12, 15, 18, 21, 1]);
  t.deepEqual(set.labels, Int32Array.of(7));
  const several = await file('several.npz', encodeNpz({ a: images, b: images }));
  await t.throwsAsync(loadData(several), { message: /holds a, b; the samples are looked for in samples, x/ });
});

test('a folder of pictures is read in the order of names, scaled where asked', async (t) => {
  const path = join(folder, 'pictures');
  const samples = Float32Array.from({ length: 2 * 64 }, (_, i) => (i < 64 ? 51 : 204));
  await writeImageFolder(path, { samples, shape: [2, 1, 8, 8], range: [0, 255] });
  t.deepEqual(await loadData(path), { data: Uint8Array.from(samples), shape: [2, 1, 8, 8] });
  const small = await loadData(path, { size: [2, 4], channels: 3 });
  t.deepEqual(small.shape, [2, 3, 2, 4]);
  t.deepEqual(new Set(small.data.subarray(24)), new Set([204]));
  await writeImageFolder(path, { samples: samples.slice(64), shape: [1, 1, 4, 16], range: [0, 255] }, 5);
  await t.throwsAsync(loadData(path), { message: /000005\.png is 16 x 4 pixels, 000000\.png 8 x 8/ });
});

test('MNIST is refused where it is absent, with its place and checksum, and where it is another file', async (t) => {
  const place = join(folder, 'mnist-place');
  await t.throwsAsync(mnist('test', place), {
    instanceOf: DataError,
    message: /put t10k-images-idx3-ubyte\.gz in .*mnist-place.*mnist \(SHA-256 .* 0fa7898d/,
  });
  await mkdir(place);
  await writeFile(join(place, 't10k-images-idx3-ubyte.gz'), gzipSync(idx));
  const found = createHash('sha256').update(idx).digest('hex');
  await t.throwsAsync(mnist('test', place), { message: new RegExp(`not the standard file.*${found}`) });
});

test('bytes go to the ends of the data range, and what does not fit the model is refused', (t) => {
  const model = { shape: [1, 1, 2], sde: { dataRange: [-1, 1] as const } };
  const set = { data: Uint8Array.of(0, 255, 255, 0), shape: [2, 1, 1, 2], labels: Int32Array.of(1, 2) };
  t.deepEqual(modelValues(set, model), Float32Array.of(-1, 1, 1, -1));
  t.deepEqual(slice(set, 1, 5), {
    data: Uint8Array.of(255, 0),
    shape: [1, 1, 1, 2],
    labels: Int32Array.of(2),
  });
  t.deepEqual(pick(set, [1, 0, 1]), {
    data: Uint8Array.of(255, 0, 0, 255, 255, 0),
    shape: [3, 1, 1, 2],
    labels: Int32Array.of(2, 1, 2),
  });
  t.throws(() => modelValues({ ...set, shape: [1, 1, 2, 2] }, model), {
    message: /\[1, 2, 2\], the model takes \[1, 1, 2\]/,
  });
  t.throws(() => modelValues({ ...set, data: Float32Array.of(0, 255, 0, 0) }, model), {
    message: /value 255, far outside/,
  });
  t.throws(() => modelValues({ ...set, data: Float32Array.of(0, NaN, 0, 0) }, model), {
    message: /value NaN/,
  });
});

test('true is the upper end of the data range; bytes of only 0 and 1 are read as such, with a warning', async (t) => {
  const bits = Uint8Array.of(0, 1, 1, 0);
  const array = { data: bits, shape: [1, 2, 2] };
  const truths = await file('mask.npy', encodeNpy({ ...array, boolean: true }));
  t.deepEqual(await loadData(truths), { data: Uint8Array.of(0, 255, 255, 0), shape: [1, 1, 2, 2] });
  t.deepEqual((await loadData(await file('mask.npz', encodeNpz({ x: { ...array, boolean: true } })))).data, Uint8Array.of(0, 255, 255, 0)); // prettier-ignore
  const { data, warnings } = await loadData(await file('bits.npy', encodeNpy(array)));
  t.deepEqual(data, bits);
  t.regex(warnings?.join() ?? '', /bits\.npy holds bytes that are only 0 and 1/);
});

test('data without samples, and floats that are not finite, are named with the file and the sample', async (t) => {
  const empty = await file('empty.npy', encodeNpy({ data: new Uint8Array(0), shape: [0, 1, 2, 2] }));
  await t.throwsAsync(loadData(empty), {
    message: /empty\.npy holds no samples: its shape is \[0, 1, 2, 2\]/,
  });
  const data = Float32Array.of(1, 2, 3, 4, 5, NaN);
  const undefinedValue = await file('nan.npy', encodeNpy({ data, shape: [3, 2] }));
  await t.throwsAsync(loadData(undefinedValue), {
    instanceOf: DataError,
    message: /nan\.npy holds NaN in sample 2, element 1/,
  });
});

test('samples of other axes than the model has are told which', (t) => {
  const model = { shape: [1, 2, 3] };
  const hint = (...shape: number[]) => t.throws(() => { checkSampleShape({ shape }, model); }).message; // prettier-ignore
  t.regex(hint(5, 2, 3), /Give them these axes \(in NumPy: x\.reshape\(-1, 1, 2, 3\)\)/);
  t.regex(hint(5, 2, 3, 1), /Put the channels first \(in NumPy: numpy\.moveaxis\(x, -1, 1\)\)/);
  t.regex(hint(5, 2, 2), /the model takes \[1, 2, 3\]\.$/);
});

test('a device, a pipe and a folder are refused where a file is expected, and not read', async (t) => {
  const pipe = join(folder, 'pipe.npy');
  execFileSync('mkfifo', [pipe]);
  const never = { instanceOf: DataError, message: /it is a device or a pipe, not a regular file/ };
  await t.throwsAsync(loadData(pipe), never);
  await t.throwsAsync(readImage('/dev/zero'), never);
  await t.throwsAsync(readJson('/dev/zero'), never);
  await mkdir(join(folder, 'pipes'));
  execFileSync('mkfifo', [join(folder, 'pipes', '0.png'), join(folder, 'pipe.tar')]);
  await t.throwsAsync(loadData(join(folder, 'pipes')), never);
  await t.throwsAsync(loadData(join(folder, 'pipe.tar')), never);
  await t.throwsAsync(readModel(pipe), { instanceOf: ModelError, message: never.message });
  await t.throwsAsync(createSession(pipe), { instanceOf: ModelError, message: never.message });
  await t.throwsAsync(readBytes(folder), { message: /it is a folder/ });
});

test('options of loadData are named where they are none', async (t) => {
  await t.throwsAsync(loadData('swiss-roll', { splt: 'train' } as never), { message: /did you mean split/ });
  await t.throwsAsync(loadData('swiss-roll', { split: 'tran' as never }), { message: /did you mean train/ });
});
