import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { inpainting, matrixOperator } from '../../src/control/operators.js';
import { restore } from '../../src/control/restore.js';
import { restoreShards } from '../../src/control/restore-shards.js';
import { DataError } from '../../src/errors.js';
import { decodeNpy } from '../../src/io/npy.js';
import { mergeShards } from '../../src/sampling/merge.js';
import { mixtureModel } from '../../src/score/mixture/model.js';
import { vp } from '../../src/sde/vp.js';
import { readBytes } from '../../src/io/read.js';
import { planar } from '../support/planar-mixture.js';

const folder = await mkdtemp(join(tmpdir(), 'fastsde-restore-shards-'));
test.after.always(() => rm(folder, { recursive: true }));
const model = mixtureModel(planar, vp());
const measurement = {
  operator: matrixOperator([[1, 0.4]]),
  values: Float32Array.of(0.4, -0.5, -0.2),
  noise: 0.3,
};

for (const method of ['smc', 'mmps'] as const)
  test(`a run that was broken off goes on with the same bits: ${method}`, async (t) => {
    const particles = method === 'smc' ? { particles: 3, batch: 6 } : { batch: 2 };
    const run = { method, ...particles, steps: 6, count: 7, seed: 5, first: 4 };
    const whole = await restore(model, measurement, run);
    const place = join(folder, method);
    const stop = new AbortController();
    const broken = restoreShards(model, measurement, place, {
      ...run,
      signal: stop.signal,
      onProgress: ({ fraction }) => {
        if (fraction > 0.6) stop.abort(new Error('stopped'));
      },
    });
    await t.throwsAsync(broken, { message: 'stopped' });
    const before = (await readdir(place)).filter((file) => file.endsWith('.npy'));
    t.true(before.length >= 1 && before.length < 4, before.join());
    const { found, elsewhere, ...rest } = await restoreShards(model, measurement, place, run);
    t.is(found, 2 * before.length);
    t.is(elsewhere, 0);
    const { samples, ...same } = whole;
    t.deepEqual({ ...rest, seconds: 0 }, { ...same, seconds: 0 });
    await mergeShards([place], join(folder, `${method}.npy`));
    t.deepEqual(decodeNpy(await readBytes(join(folder, `${method}.npy`))).data, samples);
    // A file that is not as it was written is drawn again.
    await writeFile(join(place, before[0]!), 'no array');
    t.is((await restoreShards(model, measurement, place, run)).found, 5);
    for (const other of [
      { ...measurement, values: Float32Array.of(0.4, -0.5, -0.3) },
      { ...measurement, operator: matrixOperator([[1, 0.5]]) },
      { ...measurement, noise: 0.2 },
    ])
      await t.throwsAsync(restoreShards(model, other, place, run), { instanceOf: DataError });
    await t.throwsAsync(restoreShards(model, measurement, place, { ...run, seed: 6 }), {
      instanceOf: DataError,
    });
  });

test('pictures lie beside the arrays, and what is wrong is said before a folder is made', async (t) => {
  const place = join(folder, 'pictures');
  const pictures = mixtureModel(planar, vp(), { shape: [1, 1, 2] });
  const known = { operator: inpainting([1, 0], [1, 1, 2]), values: Float32Array.of(0.5, 0) };
  await t.throwsAsync(restoreShards(pictures, known, place, { method: 'mmps', steps: 4, count: 0 }), {
    message: /count/,
  });
  await t.throwsAsync(readdir(place), { code: 'ENOENT' });
  await restoreShards(pictures, known, place, { method: 'mmps', steps: 4, count: 3, batch: 2 });
  const names = ['000000.png', '000001.png', '000002.png', 'manifest.json'];
  t.deepEqual((await readdir(place)).filter((name) => !name.endsWith('.npy')).sort(), names);
});
