import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import test from 'ava';

import { Queue } from '../../src/device/queue.js';
import { Draws } from '../support/draws.js';
import { isRealGpu, useEmulatedGpu } from '../support/emulated-gpu.js';
import { cases, compare } from '../support/gpu-cases.js';

useEmulatedGpu();

/** Every kernel in the sources. */
function kernelNames(): string[] {
  const folder = path.join(import.meta.dirname, '..', '..', '..', 'native', 'cuda');
  const files = [...readFileSync(path.join(folder, 'module.cu'), 'utf8').matchAll(/"(\w+\.cu)"/g)];
  return files.flatMap(([, file]) =>
    [...readFileSync(path.join(folder, file!), 'utf8').matchAll(/FASTSDE_KERNEL\((\w+),/g)].map(
      ([, name]) => name!,
    ),
  );
}

test.serial('every kernel has the bits of the CPU', async (t) => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'fastsde-'));
  t.teardown(() => {
    rmSync(folder, { recursive: true });
  });
  const tally = path.join(folder, 'tally');
  process.env['FASTSDE_EMULATION_TALLY'] = tally;
  const queue = new Queue(undefined, 'cuda');
  const finite = queue.allocate(2000, 'single');
  const runs: Record<string, number> = {
    quads: 8000,
    affine: 4500,
    adamw: 5000,
    copy: 7500,
    fill: 12000,
    langevin: 5000,
    diffuse: 5000,
    dots: 4500,
    sumOfSquares: 1000,
  };
  for (const verb of Object.keys(cases)) {
    const start = performance.now();
    t.deepEqual(await compare(queue, verb, runs[verb] ?? 2500), [], verb);
    t.log(`${verb}: ${Math.round(performance.now() - start)} ms`);
  }
  for (let i = 0; i < 1000; i++) {
    const draw = new Draws(i);
    const { count, size } = draw.smallShape();
    const x = queue.rows(finite, 1, 0, count * size);
    queue.write(x, draw.singles(count * size, false));
    queue.requireFinite(x, count, () => new Error('finite'));
  }
  await queue.settled();
  await queue.close();
  if (isRealGpu) return;
  const counts = new Map(
    readFileSync(tally, 'utf8')
      .split('\n')
      .map((line) => line.split(' ') as [string, string]),
  );
  const rare = kernelNames().filter((name) => !(Number(counts.get(name)) >= 1000));
  t.deepEqual(rare, [], 'every kernel had a thousand cases');
  t.is(counts.get('allocated'), '0', 'all memory was given back');
});

test.serial('arrays begin as zeros, and verbs take effect in order', async (t) => {
  const queue = new Queue(undefined, 'cuda');
  const x = queue.allocate(600, 'single');
  t.deepEqual(await queue.read(x), new Float32Array(600));
  queue.write(x, new Float32Array(600).fill(3));
  queue.affine(x, [x], Float64Array.of(2, 0));
  queue.clip(queue.rows(x, 200, 1, 1), -1, 1);
  const values = await queue.read(x);
  t.deepEqual([values[0], values[199], values[200], values[399], values[400]], [6, 6, 1, 1, 6]);
  await queue.close();
});

test.serial('more than pinned memory holds at once goes there and back', async (t) => {
  const queue = new Queue(undefined, 'cuda');
  const isSame = (a: ArrayBufferView, b: ArrayBufferView) =>
    Buffer.compare(new Uint8Array(a.buffer, a.byteOffset, a.byteLength), new Uint8Array(b.buffer)) === 0;
  const values = Float64Array.from({ length: 1_200_000 }, (_, i) => i);
  const x = queue.allocate(values.length, 'double');
  queue.write(x, values);
  t.true(isSame(await queue.read(x), values));
  // A table that is larger than a half of it, and many that fill it.
  const y = queue.allocate(600_000, 'single');
  queue.write(y, new Float32Array(600_000).fill(2));
  queue.scale(
    y,
    Float64Array.from({ length: 600_000 }, (_, i) => i % 7),
  );
  for (let i = 0; i < 20; i++)
    queue.scale(
      y,
      Float64Array.from({ length: 100_000 }, (_, j) => (j % 2) + 1),
    );
  const expected = Float32Array.from(
    { length: 600_000 },
    (_, i) => 2 * (i % 7) * (Math.floor(i / 6) % 2 === 1 ? 2 ** 20 : 1),
  );
  t.true(isSame(await queue.read(y), expected));
  await queue.close();
});

test.serial('what is not finite ends the work, with the first sample of the first command', async (t) => {
  const queue = new Queue(undefined, 'cuda');
  const x = queue.allocate(6, 'single');
  const failed = (name: string) => (sample: number) => new Error(`${name} ${sample}`);
  queue.requireFinite(x, 3, failed('zeros'));
  queue.write(x, Float32Array.of(0, 0, 0, NaN, Infinity, 0));
  queue.requireFinite(x, 3, failed('first'));
  queue.write(x, Float32Array.of(NaN, 0, 0, 0, 0, 0));
  queue.requireFinite(x, 3, failed('second'));
  await t.throwsAsync(queue.read(x), { message: 'first 1' });
  await t.throwsAsync(queue.settled(), { message: 'first 1' });
  await queue.close();
});

test.serial('of many samples that are not finite the first is named', async (t) => {
  for (let seed = 0; seed < 20; seed++) {
    const draw = new Draws(seed);
    const [count, size] = [1 + draw.below(700), 1 + draw.below(40)];
    const values = draw.singles(count * size, false);
    const bad = [draw.below(count), draw.below(count), draw.below(count)];
    for (const sample of bad) values[sample * size + draw.below(size)] = draw.one(NaN, Infinity, -Infinity);
    const queue = new Queue(undefined, 'cuda');
    const x = queue.allocate(values.length, 'single');
    queue.write(x, values);
    queue.requireFinite(x, count, (sample) => new Error(`${sample}`));
    await t.throwsAsync(queue.settled(), { message: `${Math.min(...bad)}` });
    await queue.close();
  }
});

(isRealGpu ? test.skip : test.serial)('memory that there is not is named, with what there is', async (t) => {
  const queue = new Queue(undefined, 'cuda');
  queue.allocate(2 ** 28, 'double');
  await t.throwsAsync(queue.settled(), {
    message:
      /out of memory: 2048 MiB were asked for, and of its 1024 MiB 101[0-9] MiB are free. A smaller batch/,
  });
  await queue.close();
});
