import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import test from 'ava';
import sharp from 'sharp';
import { checkClasses, holdOut } from '../../src/data/dataset.js';
import { loadData } from '../../src/data/load.js';
import { DataError, OptionError } from '../../src/errors.js';
import { encodePng } from '../../src/io/image.js';
import { encodeNpy } from '../../src/io/npy.js';
import { encodeNpz } from '../../src/io/npz.js';
import { member, tar } from '../support/tar.js';

const root = await mkdtemp(join(tmpdir(), 'fastsde-pictures-'));
test.after.always(() => rm(root, { recursive: true }));

/** A grey picture of one value, of 4 x 4 pixels unless told otherwise. */
function grey(value: number, width = 4, height = 4): Promise<Uint8Array> {
  return encodePng({ data: new Uint8Array(width * height).fill(value), width, height, channels: 1 });
}

async function folderOf(name: string, files: Readonly<Record<string, Uint8Array>>): Promise<string> {
  const folder = join(root, name);
  for (const [path, bytes] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), bytes);
  }
  return folder;
}

async function archiveOf(name: string, members: readonly Buffer[]): Promise<string> {
  const path = join(root, name);
  const bytes = tar(members);
  await writeFile(path, /gz$/.test(name) ? gzipSync(bytes) : bytes);
  return path;
}

const means = ({ data, shape }: { data: ArrayLike<number>; shape: readonly number[] }): number[] =>
  Array.from({ length: shape[0]! }, (_, n) => data[(n * data.length) / shape[0]!]!);

test('sub-folders are classes, and shared folders and splits above them are passed over', async (t) => {
  const files = {
    'set/train/cat/a.png': await grey(1),
    'set/train/dog/b.png': await grey(2),
    'set/train/cat/c/d.png': await grey(3),
    'set/test/dog/e.png': await grey(4),
    'set/notes.txt': Buffer.from('not a picture'),
    'set/train/cat/._a.png': Buffer.from('what macOS leaves'),
  };
  const folder = await folderOf('classes', files);
  const archive = await archiveOf(
    'classes.tar.gz',
    Object.entries(files).map(([path, bytes]) => member(`./${path}`, bytes)),
  );
  for (const source of [folder, archive]) {
    const train = await loadData(source, { split: 'train' });
    t.deepEqual(train.shape, [3, 1, 4, 4]);
    t.deepEqual(means(train), [1, 3, 2]);
    t.deepEqual(train.labels, Int32Array.of(0, 0, 1));
    t.deepEqual(train.classNames, ['cat', 'dog']);
    const held = await loadData(source);
    t.deepEqual([means(held), held.labels], [[4], Int32Array.of(1)]);
  }
});

test('long names of an archive are read: ustar prefix, pax and GNU', async (t) => {
  const long = `${'very-'.repeat(30)}long.png`;
  const record = `path=deep/${long}\n`;
  const pax = `${record.length + 4} ${record}`;
  const archive = await archiveOf('long.tar', [
    member('a.png', await grey(10), { prefix: 'deep' }),
    member('PaxHeader', Buffer.from(pax), { type: 'x' }),
    member('cut.png', await grey(20)),
    member('././@LongLink', Buffer.from(`deep/x${long}\0`), { type: 'L' }),
    member('cut.png', await grey(30)),
    member('deep', Buffer.alloc(0), { type: '5' }),
  ]);
  t.is(pax.length, Number.parseInt(pax));
  t.deepEqual(means(await loadData(archive)), [10, 20, 30]);
});

test('an archive that is cut short, damaged or none is refused', async (t) => {
  const whole = Buffer.concat([member('a.png', await grey(1)), member('b.png', await grey(2))]);
  const cut = join(root, 'cut.tar');
  await writeFile(cut, whole.subarray(0, 1024 + 512 + 20));
  const damaged = join(root, 'damaged.tar.gz');
  await writeFile(damaged, gzipSync(whole).subarray(0, 60));
  const none = join(root, 'none.tar');
  await writeFile(none, 'hello '.repeat(300));
  for (const path of [cut, damaged, none, join(root, 'absent.tar')]) {
    await t.throwsAsync(
      loadData(path),
      { instanceOf: DataError, message: /Cannot read .* as a tar archive/ },
      path,
    );
  }
  await t.throwsAsync(loadData(await archiveOf('empty.tar', [member('a.txt', Buffer.from('a'))])), {
    message: /holds no pictures/,
  });
});

test('a corrupted picture is refused by name, or left out and told', async (t) => {
  const good = await grey(7);
  const folder = await folderOf('corrupted', {
    'a/0.png': Buffer.from('not a picture'),
    'a/1.png': good,
    'b/2.png': good.subarray(0, 60),
    'b/3.png': await grey(9),
  });
  await t.throwsAsync(loadData(folder), { instanceOf: DataError, message: /0\.png as a picture/ });
  const told: string[] = [];
  const set = await loadData(folder, { onCorrupted: ({ message }) => void told.push(message) });
  t.deepEqual([means(set), set.labels], [[7, 9], Int32Array.of(0, 1)]);
  t.is(told.length, 2);
  t.regex(told[1]!, /2\.png/);
  const nothing = await folderOf('nothing', { '0.png': Buffer.from('x') });
  await t.throwsAsync(loadData(nothing, { onCorrupted: () => undefined }), {
    message: /None of the 1 pictures .* can be read/,
  });
});

test('grey pictures of 16 bits are grey, by their upper byte', async (t) => {
  const values = Uint16Array.from({ length: 16 }, (_, i) => 257 * 10 * i);
  const raw = { width: 4, height: 4, channels: 1 } as const;
  const deep = await sharp(values, { raw }).toColourspace('grey16').png().toBuffer();
  t.is((await sharp(deep).metadata()).depth, 'ushort');
  const { data, shape } = await loadData(await folderOf('deep', { '0.png': deep }));
  t.deepEqual(shape, [1, 1, 4, 4]);
  t.deepEqual(
    [...data],
    [...values].map((value) => value / 257),
  );
});

test('pictures of several sizes are refused by name, and scaled where a size is given', async (t) => {
  const folder = await folderOf('sizes', { '0.png': await grey(1), '1.png': await grey(2, 8, 4) });
  await t.throwsAsync(loadData(folder), { message: /1\.png is 8 x 4 pixels, .*0\.png 4 x 4.*--resize/ });
  t.deepEqual((await loadData(folder, { size: [2, 2] })).shape, [2, 1, 2, 2]);
});

test('pictures beside class folders, and a split that is not there, are refused', async (t) => {
  const folder = await folderOf('mixed', { 'a/0.png': await grey(1), '1.png': await grey(2) });
  await t.throwsAsync(loadData(folder), { message: /1\.png beside these/ });
  const half = await folderOf('half', { 'train/0.png': await grey(1) });
  await t.throwsAsync(loadData(half), { message: /holds no folder test/ });
});

test('classes come from a file of their own, one integer per sample', async (t) => {
  const save = async (name: string, bytes: Uint8Array): Promise<string> => {
    await writeFile(join(root, name), bytes);
    return join(root, name);
  };
  const points = await save('points.npy', encodeNpy({ data: new Float32Array(6), shape: [3, 2] }));
  const labels = await save('labels.npy', encodeNpy({ data: BigInt64Array.of(2n, 0n, 1n), shape: [3] }));
  t.deepEqual((await loadData(points, { labels })).labels, Int32Array.of(2, 0, 1));
  const idx = await save('labels-idx1-ubyte', Buffer.from([0, 0, 8, 1, 0, 0, 0, 3, 1, 1, 0]));
  t.deepEqual((await loadData(points, { labels: idx })).labels, Int32Array.of(1, 1, 0));
  const few = await save('few.npy', encodeNpy({ data: Int32Array.of(1, 2), shape: [2] }));
  await t.throwsAsync(loadData(points, { labels: few }), {
    message: /each of 3 samples, and has shape \[2\]/,
  });
  const odd = { data: Float32Array.of(0, 1.5, 2), shape: [3] };
  await t.throwsAsync(loadData(points, { labels: await save('odd.npy', encodeNpy(odd)) }), {
    message: /class 1\.5 at index 1/,
  });
  const x = { data: new Float32Array(4), shape: [2, 2] };
  const negative = await save(
    'negative.npz',
    encodeNpz({ x, y: { data: Int32Array.of(0, -1), shape: [2] } }),
  );
  await t.throwsAsync(loadData(negative), { message: /y in .* class -1 at index 1/ });
});

test('classes out of range are named with their index', (t) => {
  t.notThrows(() => {
    checkClasses({ labels: Int32Array.of(0, 2) }, 3);
  });
  t.throws(
    () => {
      checkClasses({ labels: Int32Array.of(0, 3) }, 3);
    },
    { instanceOf: DataError, message: /class 3 at index 1; .* from 0 to 2/ },
  );
  t.throws(
    () => {
      checkClasses({}, 3);
    },
    { message: /no classes/ },
  );
});

test('held-out samples are a random share, the same for the same seed', (t) => {
  const data = Float32Array.from({ length: 1000 }, (_, i) => i);
  const set = { data, shape: [1000, 1], labels: Int32Array.from(data) };
  const { train, heldOut } = holdOut(set, 0.1);
  t.deepEqual(
    [train.shape, heldOut.shape],
    [
      [900, 1],
      [100, 1],
    ],
  );
  t.deepEqual(Float32Array.from([...train.data, ...heldOut.data]).sort(), data);
  t.deepEqual(Float32Array.from(heldOut.labels!), heldOut.data);
  const mean = heldOut.labels!.reduce((a, b) => a + b) / 100;
  // Standard error of the mean of 100 of 0..999: 27.
  t.true(Math.abs(mean - 499.5) < 5 * 27, String(mean));
  t.deepEqual(holdOut(set, 0.1), { train, heldOut });
  t.notDeepEqual(holdOut(set, 0.1, 1n).heldOut, heldOut);
  t.throws(() => holdOut(set, 1), { instanceOf: OptionError });
});
