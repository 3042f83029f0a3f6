import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { RestorationMethod } from '../../src/control/names.js';
import { matrixOperator } from '../../src/control/operators.js';
import { restore, type Restoring } from '../../src/control/restore.js';
import type { RestoreOptions } from '../../src/control/restore-options.js';
import { restoreShards } from '../../src/control/restore-shards.js';
import { OptionError } from '../../src/errors.js';
import type { Preview } from '../../src/sampling/previews.js';
import { sampleShards } from '../../src/sampling/shards.js';
import { GaussianMixture } from '../../src/score/mixture/mixture.js';
import { mixtureModel } from '../../src/score/mixture/model.js';
import { vp } from '../../src/sde/vp.js';

const folder = await mkdtemp(join(tmpdir(), 'fastsde-previews-'));
test.after.always(() => rm(folder, { recursive: true }));
const [mean, variance, noise] = [0.3, 0.25, 0.4];
const law = new GaussianMixture({ weights: [1], means: [[mean, mean]], covariances: [variance] });
const model = mixtureModel(law, vp());
/** The first of two independent numbers. */
const measurement = { operator: matrixOperator([[1, 0]]), values: Float32Array.of(0.9, -0.5), noise };

async function all(run: Restoring): Promise<Preview[]> {
  const previews: Preview[] = [];
  for await (const preview of run) previews.push(preview);
  return previews;
}

const given: Record<Exclude<RestorationMethod, 'smc'>, RestoreOptions> = {
  replacement: { corrector: 'ald' },
  mmps: { iterations: 2 },
  pigdm: {},
  dps: { zeta: 0.3 },
  repaint: { jumpLength: 4, resamples: 2 },
};
for (const [name, more] of Object.entries(given)) {
  const method = name as RestorationMethod;
  const options = { method, ...more, count: 4, batch: 2, steps: 8, seed: 3, first: 6 };
  test(`previews and frames come in order and change no bit: ${method}`, async (t) => {
    const plain = await restore(model, measurement, options);
    const run = restore(model, measurement, { ...options, previewEvery: 3, trajectory: 3 });
    const previews = await all(run);
    const { samples, trajectory, ...rest } = await run;
    t.deepEqual({ ...rest, samples, seconds: 0 }, { ...plain, seconds: 0 });
    // Of the steps of repaint some lead back up; what is due there is shown after it.
    const steps = method === 'repaint' ? [0, 3, 6, 9, 12, 15] : [0, 3, 6];
    const places = [6, 8].flatMap((first) => steps.map((step) => [first, step]));
    t.deepEqual(
      previews.map(({ first, step }) => [first, step]),
      places,
    );
    t.deepEqual(trajectory?.steps, steps);
    const half = steps.length;
    for (const [k, frame] of trajectory!.frames.entries()) {
      t.deepEqual(frame, Float32Array.of(...previews[k]!.samples, ...previews[half + k]!.samples));
      t.is(trajectory!.times[k], previews[k]!.t);
    }
  });
}

test('estimates are those of the posterior given the state and the measurement', async (t) => {
  const options = { method: 'mmps', iterations: 2, count: 2, steps: 6, previewEvery: 2 } as const;
  const states = await all(restore(model, measurement, options));
  const estimates = await all(restore(model, measurement, { ...options, preview: 'x0' }));
  t.is(states.length, 3);
  for (const [k, { samples, t: time }] of states.entries()) {
    const [alpha, sigma] = [model.sde.alpha(time), model.sde.sigma(time)];
    for (const [i, x] of samples.entries()) {
      // Two or three independent normals of the same number.
      const known = i % 2 === 0 ? 1 / noise ** 2 : 0;
      const precision = 1 / variance + (alpha / sigma) ** 2 + known;
      const y = measurement.values[Math.floor(i / 2)]!;
      const truth = (mean / variance + (alpha * x) / sigma ** 2 + y * known) / precision;
      t.true(Math.abs(estimates[k]!.samples[i]! - truth) < 2e-5, `${k} ${i}`);
    }
  }
});

test('progress is told in steps', async (t) => {
  for (const method of ['mmps', 'smc'] as const) {
    const told: number[][] = [];
    const particles = method === 'smc' ? { particles: 3, batch: 6 } : { batch: 2 };
    await restore(model, measurement, {
      ...{ method, count: 4, steps: 2, ...particles },
      onProgress: ({ done, count, step, steps, fraction }) => told.push([done, count, step, steps, fraction]),
    });
    const { length } = told;
    t.deepEqual(told, [
      [0, 4, 1, told[0]![3]!, 0.5 / told[0]![3]!],
      ...told.slice(1, length - 1),
      [2, 4, told[0]![3]!, told[0]![3]!, 1],
    ]);
    t.deepEqual(
      told.map(([, , , , fraction]) => fraction!).toSorted((a, b) => a - b),
      told.map(([, , , , fraction]) => fraction!),
    );
  }
});

test('what shows nothing on the way says so', async (t) => {
  const smc = { method: 'smc', particles: 2, steps: 2 } as const;
  for (const [name, value] of Object.entries({ trajectory: 1, previewEvery: 1, preview: 'x0' })) {
    const refused = { instanceOf: OptionError, message: new RegExp(`^${name} must be left out`) };
    await t.throwsAsync(restore(model, measurement, { ...smc, [name]: value }), refused);
    const place = join(folder, 'none');
    await t.throwsAsync(restoreShards(model, measurement, place, { [name]: value }), refused);
    await t.throwsAsync(sampleShards(model, place, { [name]: value }), refused);
  }
  await t.throwsAsync(all(restore(model, measurement, smc)), {
    instanceOf: OptionError,
    message: /^method must be another where the run is iterated over/,
  });
  await t.throwsAsync(restore(model, measurement, { trajectory: 0 }), { message: /^trajectory must be/ });
  t.deepEqual(await readdir(folder), []);
});
