// Whole runs whose states are on a GPU, which is emulated, have the bits of those on the CPU; networks run on the host in both.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import test from 'ava';

import type { DeviceName } from '../../src/device/device.js';
import { setDevice } from '../../src/device/where.js';
import { OptionError } from '../../src/errors.js';
import { likelihood } from '../../src/likelihood/likelihood.js';
import { sample, type SampleOptions } from '../../src/sampling/sample.js';
import { GaussianMixture } from '../../src/score/mixture/mixture.js';
import { mixtureModel } from '../../src/score/mixture/model.js';
import type { ScoreModel } from '../../src/score/model.js';
import { embeddedModel } from '../../src/score/network/embedded.js';
import { loadModel } from '../../src/score/network/load.js';
import { vp } from '../../src/sde/vp.js';
import { useEmulatedGpu } from '../support/emulated-gpu.js';

useEmulatedGpu();

const networks = ['vp', 've'] as const;
const load = (name: string) => loadModel(embeddedModel(name), { probe: false, threads: 1 });

/** The same on both devices, one after the other. */
async function onBoth<T>(run: () => Promise<T>): Promise<readonly [T, T]> {
  const results: T[] = [];
  for (const device of ['cpu', 'cuda'] satisfies DeviceName[]) {
    setDevice(device);
    results.push(await run());
  }
  setDevice('cpu');
  return results as unknown as readonly [T, T];
}

const samplers: readonly SampleOptions[] = [
  { predictor: 'reverse-diffusion', corrector: 'langevin', steps: 4 },
  { predictor: 'euler-maruyama', corrector: 'none', steps: 4 },
  { predictor: 'ancestral', corrector: 'ald', steps: 3 },
  { predictor: 'dpmpp-2m', corrector: 'none', steps: 5 },
];

for (const name of networks)
  test.serial(`samples of ${name} have the bits of the CPU`, async (t) => {
    const model = await load(name);
    for (const options of samplers) {
      const [here, there] = await onBoth(() => sample(model, { count: 2, seed: 5n, ...options }));
      t.true(here.samples.every(Number.isFinite));
      t.deepEqual(there.samples, here.samples, JSON.stringify({ ...options }));
    }
    await model.close();
  });

test.serial('log-densities of a network have the bits of the CPU', async (t) => {
  const model = await load('vp');
  const data = new Float32Array(2 * 784).map((_, i) => Math.sin(i) / 2);
  const [here, there] = await onBoth(() => likelihood(model, data, { seed: 3n, rtol: 0.5, atol: 0.5 }));
  t.deepEqual(there.bitsPerDim, here.bitsPerDim);
  await model.close();
});

test.serial('a mixture of Gaussians, whose score the host computes, has the bits of the CPU', async (t) => {
  const law = new GaussianMixture({
    weights: [0.5, 0.5],
    means: [
      [-1, 0],
      [1, 0.5],
    ],
    covariances: [0.1, 0.2],
  });
  const model: ScoreModel = mixtureModel(law, vp());
  const [here, there] = await onBoth(() => sample(model, { count: 50, seed: 2n, steps: 6 }));
  t.deepEqual(there.samples, here.samples);
  const points = Float32Array.of(0.2, 0.1, -1, 0.4);
  const [a, b] = await onBoth(() => likelihood(model, points, {}));
  t.deepEqual(b.bitsPerDim, a.bitsPerDim);
});

test('a device that is none of these is an error', (t) => {
  t.throws(
    () => {
      setDevice('gpu' as 'cuda');
    },
    {
      instanceOf: OptionError,
      message: /device must be one of cpu, cuda/,
    },
  );
});

test('the environment names the device, and nothing falls back', (t) => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'fastsde-'));
  t.teardown(() => {
    rmSync(folder, { recursive: true });
  });
  const cli = path.join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.js');
  const run = (name: string, environment: Readonly<Record<string, string>>) => {
    const args = ['sample', '--count', '1', '--steps', '2', '--output', path.join(folder, name)];
    const env = { ...process.env, ...environment };
    return spawnSync(process.execPath, [cli, ...args], { env, encoding: 'utf8' });
  };
  const nowhere = run('nowhere.npy', { FASTSDE_DEVICE: 'cuda', FASTSDE_LIBCUDA: '/nonexistent.so' });
  t.is(nowhere.status, 1);
  t.regex(nowhere.stderr, /The device cuda cannot be used: there is no CUDA driver/);
  t.regex(run('tpu.npy', { FASTSDE_DEVICE: 'tpu' }).stderr, /FASTSDE_DEVICE must be one of cpu, cuda/);
  for (const device of ['cpu', 'cuda']) t.is(run(`${device}.npy`, { FASTSDE_DEVICE: device }).status, 0);
  t.deepEqual(readFileSync(path.join(folder, 'cuda.npy')), readFileSync(path.join(folder, 'cpu.npy')));
});
