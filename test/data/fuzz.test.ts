import { mkdtempSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32, deflateRawSync, gzipSync } from 'node:zlib';

import test from 'ava';

import { decodeCifar10 } from '../../src/data/cifar10.js';
import { decodeIdx } from '../../src/data/idx.js';
import { loadData } from '../../src/data/load.js';
import { DataError, FastsdeError } from '../../src/errors.js';
import { decodeImage, encodePng } from '../../src/io/image.js';
import { decodeNpy, encodeNpy } from '../../src/io/npy.js';
import { decodeNpz, encodeNpz } from '../../src/io/npz.js';
import { decodeSafetensors, encodeSafetensors } from '../../src/io/safetensors.js';
import { GaussianMixture } from '../../src/score/mixture/mixture.js';
import { encodeManifest, readManifests } from '../../src/shards/manifest.js';
import { mutateBytes } from '../support/onnx-mutations.js';
import { member, tar } from '../support/tar.js';

/** More: FASTSDE_FUZZ_RUNS=100000 npx ava .test-build/test/data-fuzz.test.js */
const runs = Number(process.env['FASTSDE_FUZZ_RUNS'] ?? 1500);

const folder = mkdtempSync(join(tmpdir(), 'fastsde-fuzz-'));
test.after.always(() => rm(folder, { recursive: true }));

const pixels = Uint8Array.from({ length: 2 * 3 * 4 * 4 }, (_, i) => (i * 37) % 256);
const npy = encodeNpy({ data: Float32Array.from(pixels), shape: [2, 3, 4, 4] });
const npz = encodeNpz({
  x: { data: pixels, shape: [2, 3, 4, 4] },
  y: { data: new Int32Array(2), shape: [2] },
});
const idx = Buffer.concat([Uint8Array.of(0, 0, 8, 3, 0, 0, 0, 6, 0, 0, 0, 4, 0, 0, 0, 4), pixels]);
const tensors = new Map([['w', { shape: [2, 3], data: new Float32Array(6) }]]);
const safetensors = Buffer.concat(encodeSafetensors({ tensors, metadata: { a: 'b' } }));
const png = encodePng({ data: pixels.subarray(0, 48), width: 4, height: 4, channels: 3 });
const mixture = Buffer.from(
  '{"weights":[0.5,0.5],"means":[[0,0],[1,2]],"covariances":[1,[[1,0.5],[0.5,1]]]}',
);
const manifest = Buffer.from(
  encodeManifest({
    run: { origin: {}, options: { seed: '1' }, first: 0, count: 2, shape: [2] },
    shards: [
      {
        file: 'samples-000000-000001.npy',
        first: 0,
        count: 2,
        sha256: '00',
        counts: { score: 1, denoise: 1, rejected: 0, jvp: 0, vjp: 0, networks: {} },
      },
    ],
  }),
);

const archive = png.then((picture) => tar([member('a/1.png', picture), member('b/2.png', picture)]));

type Reader = (bytes: Uint8Array) => unknown;

function readMixture(bytes: Uint8Array): unknown {
  const text = Buffer.from(bytes).toString('utf8');
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined; // what is no JSON is the parser's to refuse
  }
  return GaussianMixture.fromJson(parsed);
}

async function readManifest(bytes: Uint8Array): Promise<unknown> {
  await writeFile(join(folder, 'manifest.json'), bytes);
  return readManifests(folder);
}

/** As a data set, by its ending. */
function load(name: string): Reader {
  return async (bytes) => {
    await writeFile(join(folder, name), bytes);
    return loadData(join(folder, name));
  };
}

const formats: Record<
  string,
  { files: readonly (Uint8Array | Promise<Uint8Array>)[]; read: Reader; share?: number }
> = {
  npy: { files: [npy, encodeNpy({ data: pixels, shape: [96] })], read: (bytes) => decodeNpy(bytes) },
  npz: { files: [npz, zip('x.npy', npy)], read: (bytes) => decodeNpz(bytes) },
  'npz as a data set': { files: [npz, zip('x.npy', npy)], read: load('set.npz'), share: 0.3 },
  IDX: { files: [idx, gzipSync(idx)], read: (bytes) => decodeIdx(bytes) },
  'IDX as a data set': { files: [idx, gzipSync(idx)], read: load('set.idx'), share: 0.3 },
  'CIFAR-10': { files: [new Uint8Array(2 * 3073)], read: (bytes) => decodeCifar10(bytes) },
  safetensors: { files: [safetensors], read: decodeSafetensors },
  PNG: { files: [png], read: (bytes) => decodeImage(bytes, {}, 'a picture'), share: 0.1 },
  tar: { files: [archive], read: load('set.tar'), share: 0.2 },
  'tar with gzip': {
    files: [archive.then((bytes) => gzipSync(bytes))],
    read: load('set.tar.gz'),
    share: 0.2,
  },
  'a mixture in JSON': { files: [mixture], read: readMixture },
  'a manifest': { files: [manifest], read: readManifest, share: 0.3 },
};

/** A zip archive of one deflated file, which says of its length and checksum what is true. */
function zip(name: string, data: Uint8Array, length = data.length): Buffer {
  const packed = deflateRawSync(data);
  const fields = Buffer.alloc(26);
  fields.writeUInt16LE(20, 0);
  fields.writeUInt16LE(8, 4);
  fields.writeUInt32LE(crc32(data), 10);
  fields.writeUInt32LE(packed.length, 14);
  fields.writeUInt32LE(length, 18);
  fields.writeUInt16LE(name.length, 22);
  const local = Buffer.concat([Buffer.from('PK\x03\x04'), fields, Buffer.from(name), packed]);
  const central = Buffer.concat([
    Buffer.from('PK\x01\x02\x14\0'),
    fields,
    Buffer.alloc(14),
    Buffer.from(name),
  ]);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06');
  end.writeUInt16LE(1, 8);
  end.writeUInt16LE(1, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(local.length, 16);
  return Buffer.concat([local, central, end]);
}

for (const [format, { files, read, share = 1 }] of Object.entries(formats)) {
  test.serial(`damaged files are read or refused with a typed error: ${format}`, async (t) => {
    const whole: Uint8Array[] = [];
    for (const file of files) whole.push(await file);
    const counts = { read: 0, refused: 0 };
    for (let index = 0; index < runs * share; index++) {
      try {
        await read(mutateBytes(whole, index));
        counts.read++;
      } catch (error) {
        counts.refused++;
        if (!(error instanceof FastsdeError)) {
          t.fail(`file ${index}: ${String(error instanceof Error ? error.stack : error)}`);
          return;
        }
      }
    }
    t.true(counts.read > 0 && counts.refused > 0, JSON.stringify(counts));
  });
}

test('a small IDX file or archive that unpacks to more than 1 GiB is refused', async (t) => {
  // Members of a gzip file are unpacked one after the other.
  const gibibytes = Buffer.concat(new Array<Uint8Array>(20).fill(gzipSync(new Uint8Array(64 << 20))));
  t.true(gibibytes.length < 2e6);
  t.throws(() => decodeIdx(gibibytes, 'a.gz'), {
    instanceOf: DataError,
    message: /a\.gz unpacks to more than 1 GiB/,
  });
  // A member that is not wanted counts as well.
  const path = join(folder, 'large.tar.gz');
  const head = member('notes.txt', new Uint8Array(0), { size: 20 * (64 << 20) });
  await writeFile(path, Buffer.concat([gzipSync(head), gibibytes]));
  await t.throwsAsync(loadData(path), {
    instanceOf: DataError,
    message: /large\.tar\.gz .*unpacks to more than 1 GiB/,
  });
});

test('what unpacks to more than it says, or to more than 1 GiB, is refused before the memory is taken', (t) => {
  const zeros = new Uint8Array(64 << 20);
  t.throws(() => decodeNpz(zip('x.npy', zeros, 100)), { instanceOf: DataError, message: /damaged/ });
  const message = /more than 1 GiB/;
  t.throws(() => decodeNpz(zip('x.npy', zeros, 2 ** 31)), { instanceOf: DataError, message });
});

test('an array named __proto__ is an array of that name', (t) => {
  const arrays = decodeNpz(zip('__proto__.npy', npy));
  t.deepEqual(Object.keys(arrays), ['__proto__']);
  t.is(Object.getPrototypeOf(arrays), Object.prototype);
});

test('a picture that claims to be of a million times a million pixels is refused', async (t) => {
  const huge = Buffer.from(
    await readFile(join(import.meta.dirname, '..', '..', '..', 'docs', 'images', 'digits.png')),
  );
  const header = huge.subarray(12, 29); // its type, its data, and from there to 33 its checksum
  header.writeUInt32BE(1_000_000, 4);
  header.writeUInt32BE(1_000_000, 8);
  huge.writeUInt32BE(crc32(header), 29);
  await t.throwsAsync(decodeImage(huge, {}, 'huge.png'), {
    instanceOf: DataError,
    message: /pixel limit|dimension/,
  });
});
