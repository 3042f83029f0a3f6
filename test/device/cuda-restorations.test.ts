// Restorations by products with the Jacobian, whose states and vectors are on a GPU, which is emulated: they have the bits of the CPU, and
// no state comes back before the end.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import test from 'ava';

import { blur, downsample, gaussianBlur, inpainting, matrixOperator } from '../../src/control/operators.js';
import type { LinearOperator } from '../../src/control/operator.js';
import { restore } from '../../src/control/restore.js';
import type { RestoreOptions } from '../../src/control/restore-options.js';
import { setDevice } from '../../src/device/where.js';
import { encodeNpy } from '../../src/io/npy.js';
import { GaussianMixture } from '../../src/score/mixture/mixture.js';
import { mixtureModel } from '../../src/score/mixture/model.js';
import type { ScoreModel } from '../../src/score/model.js';
import { embeddedModel } from '../../src/score/network/embedded.js';
import { loadModel } from '../../src/score/network/load.js';
import { vp } from '../../src/sde/vp.js';
import { isRealGpu, useEmulatedGpu } from '../support/emulated-gpu.js';

useEmulatedGpu();

const shape = [1, 28, 28];
/** Two pictures: a ring, and a stroke. */
const pictures = [0, 1].map((picture) =>
  Float64Array.from({ length: 784 }, (_, i) => {
    const [y, x] = [Math.floor(i / 28) - 14, (i % 28) - 14];
    const near = picture === 0 ? Math.abs(Math.hypot(x, y) - 7) : Math.abs(x) + (Math.abs(y) > 9 ? 9 : 0);
    return near < 2 ? 1 : -1;
  }),
);

/** What is measured of both by an operator. */
function measured(operator: LinearOperator, noise: number) {
  const values = pictures.map((picture) => operator.apply(picture));
  return { operator, values: Float64Array.from(values.flatMap((row) => [...row])), noise };
}

const mask = Float32Array.from({ length: 784 }, (_, i) => (Math.sin(i) > 0.2 ? 1 : 0));
const operators: readonly LinearOperator[] = [
  inpainting(mask, shape),
  blur(3, shape),
  gaussianBlur(1.2, shape),
  downsample(4, shape),
];

const methods: readonly RestoreOptions[] = [
  { method: 'pigdm', steps: 4 },
  { method: 'mmps', steps: 3, iterations: 2 },
  { method: 'dps', steps: 3 },
];

/** The same on both devices. */
async function drawn(model: ScoreModel, operator: LinearOperator, options: RestoreOptions) {
  const found: Float32Array[] = [];
  for (const device of ['cpu', 'cuda'] as const) {
    setDevice(device);
    found.push((await restore(model, measured(operator, 0.05), { count: 2, seed: 3n, ...options })).samples);
  }
  setDevice('cpu');
  return found;
}

for (const provider of isRealGpu ? (['cpu'] as const) : (['cpu', 'cuda'] as const))
  test.serial(`digits have the bits of the CPU, with a network by the provider ${provider}`, async (t) => {
    const model = await loadModel(embeddedModel('vp'), { probe: false, threads: 1, provider });
    for (const operator of operators) {
      for (const options of methods) {
        const [here, there] = await drawn(model, operator, options);
        t.true(here!.every(Number.isFinite));
        t.deepEqual(there, here, `${operator.name} ${options.method!}`);
      }
    }
    await model.close();
  });

test.serial('points of a mixture, which the host computes, have the bits of the CPU', async (t) => {
  const law = new GaussianMixture({
    weights: [0.5, 0.5],
    means: [
      [-1, 0],
      [1, 0.5],
    ],
    covariances: [0.1, 0.2],
  });
  const model = mixtureModel(law, vp());
  const measurement = {
    operator: matrixOperator([[1, -0.5]]),
    values: Float64Array.of(0.7),
    noise: 0.1,
  };
  for (const method of ['pigdm', 'mmps', 'dps', 'smc'] as const) {
    const found: Float32Array[] = [];
    for (const device of ['cpu', 'cuda'] as const) {
      setDevice(device);
      found.push((await restore(model, measurement, { method, count: 20, steps: 5, seed: 3n })).samples);
    }
    setDevice('cpu');
    t.deepEqual(found[1], found[0], method);
  }
});

const cli = path.join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.js');

for (const [method, operator] of [
  ['pigdm', 'downsample:4'],
  ['mmps', 'blur:3'],
  ['dps', 'gaussian-blur:1.2'],
] as const)
  (isRealGpu ? test.skip : test)(`no state is fetched between the steps of ${method}`, (t) => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'fastsde-'));
    t.teardown(() => {
      rmSync(folder, { recursive: true });
    });
    const data = path.join(folder, 'digits.npy');
    const values = Float32Array.from(pictures.flatMap((picture) => [...picture]));
    writeFileSync(data, encodeNpy({ data: values, shape: [2, ...shape] }));
    const bytes = (steps: number) => {
      const tally = path.join(folder, 'tally');
      const args = ['restore', '--provider', 'cuda', '--no-probe', '--data', data, '--operator', operator];
      args.push('--method', method, '--steps', String(steps), '--count', '2');
      const { status, stderr } = spawnSync(
        process.execPath,
        [cli, ...args, '--output', path.join(folder, 'out.npy')],
        { env: { ...process.env, FASTSDE_EMULATION_TALLY: tally }, encoding: 'utf8' },
      );
      t.is(status, 0, stderr);
      const lines = readFileSync(tally, 'utf8').split('\n');
      const count = (name: string) =>
        Number(lines.find((line) => line.startsWith(`${name} `))?.split(' ')[1]);
      return { sent: count('sent'), received: count('received') };
    };
    const [few, many] = [bytes(3), bytes(13)];
    t.true(few.received >= 4 * 784 * 4);
    // Whether a kernel failed, where a step is waited for.
    t.true(many.received - few.received <= 10 * 16, `${many.received - few.received} bytes came back`);
    // Times, and the factors of an operator at a level.
    t.true(many.sent - few.sent < 10 * 1024, `${many.sent - few.sent} bytes went there for ten steps`);
  });
