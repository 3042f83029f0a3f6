// Networks on a GPU, with states beside them: on the emulated one, where ONNX Runtime is the CPU's, they have its bits.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import test, { type ExecutionContext } from 'ava';

import { guide } from '../../src/control/guidance.js';
import { inpainting } from '../../src/control/operators.js';
import { restore } from '../../src/control/restore.js';
import { OptionError } from '../../src/errors.js';
import { embeddedFeatures, loadFeatureNetwork } from '../../src/evaluation/feature-network.js';
import { likelihood } from '../../src/likelihood/likelihood.js';
import { sample, type SampleOptions } from '../../src/sampling/sample.js';
import { embeddedModel } from '../../src/score/network/embedded.js';
import { loadModel, type LoadOptions } from '../../src/score/network/load.js';
import { isRealGpu, useEmulatedGpu } from '../support/emulated-gpu.js';

useEmulatedGpu();

const places = ['cpu', 'cuda'] as const;
const load = (name: string, options: LoadOptions) =>
  loadModel(embeddedModel(name), { probe: false, threads: 1, ...options });

/** The same bits; of a real GPU, whose networks round otherwise, nearly the same numbers. */
function agree(t: ExecutionContext, [here, there]: readonly ArrayLike<number>[], what: string): void {
  if (isRealGpu) near(t, [here!, there!], what, 1e-2);
  else t.deepEqual(there, here, what);
}

function near(
  t: ExecutionContext,
  [here, there]: readonly ArrayLike<number>[],
  what: string,
  most: number,
): void {
  const error = Math.max(...Array.from(here!, (value, i) => Math.abs(value - there![i]!)));
  t.true(error <= most, `${what}: ${error}`);
}

const samplers: readonly SampleOptions[] = [
  { predictor: 'reverse-diffusion', corrector: 'langevin', steps: 3 },
  { solver: 'dpmpp-2m-sde', steps: 4 },
  { solver: { name: 'rk45', rtol: 0.1, atol: 0.1 } },
];

for (const name of ['vp', 've'])
  test.serial(`samples of ${name}`, async (t) => {
    const models = await Promise.all(places.map((provider) => load(name, { provider })));
    for (const options of samplers) {
      const drawn: Float32Array[] = [];
      for (const model of models)
        drawn.push((await sample(model, { count: 2, seed: 5n, ...options })).samples);
      agree(t, drawn, JSON.stringify({ ...options }));
    }
    for (const model of models) await model.close();
  });

test.serial('log-densities, guided samples and restorations, by products with the Jacobian', async (t) => {
  const densities: Float64Array[] = [];
  const guided: Float32Array[] = [];
  const restored: Float32Array[] = [];
  const data = new Float32Array(2 * 784).map((_, i) => Math.sin(i) / 2);
  const mask = new Float32Array(784).map((_, i) => (i < 392 ? 1 : 0));
  for (const provider of places) {
    const model = await load('vp', { provider });
    densities.push((await likelihood(model, data, { seed: 3n, rtol: 0.5, atol: 0.5 })).bitsPerDim);
    // What is known of a digit: of values that no digit has, rounding is amplified.
    const digit = (await sample(model, { count: 1, steps: 10, seed: 2n })).samples;
    const measurement = { operator: inpainting(mask, [1, 28, 28]), values: digit };
    const options = { method: 'mmps', steps: 3, count: 2, seed: 4n } as const;
    restored.push((await restore(model, measurement, options)).samples);
    const conditional = await load('conditional', { provider });
    const free = guide(conditional, { kind: 'classifier-free', scale: 2 });
    guided.push((await sample(free, { steps: 3, count: 2, seed: 1n, classLabel: 3 })).samples);
    await model.close();
    await conditional.close();
  }
  // The differentiated network has operators of our own on the CPU, and those of ONNX alone on a GPU.
  near(t, densities, 'densities', isRealGpu ? 1e-2 : 1e-5);
  near(t, restored, 'restored', isRealGpu ? 1e-2 : 1e-4);
  agree(t, guided, 'guided');
});

test.serial('runs at once share a network', async (t) => {
  const [here, there] = await Promise.all(places.map((provider) => load('vp', { provider })));
  const seeds = [1n, 2n, 3n];
  const draw = (seed: bigint) => sample(there!, { count: 1, steps: 4, seed });
  const together = await Promise.all(seeds.map(draw));
  for (const [i, seed] of seeds.entries()) {
    const alone = await sample(here!, { count: 1, steps: 4, seed });
    agree(t, [alone.samples, together[i]!.samples], `seed ${seed}`);
  }
  await here!.close();
  await there!.close();
});

test('a closed network is an error, also on a GPU', async (t) => {
  const model = await load('vp', { provider: 'cuda' });
  await model.close();
  await t.throwsAsync(async () => sample(model, { count: 1, steps: 2 }), { message: /closed/ });
});

const cli = path.join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.js');

function command(
  t: ExecutionContext,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
) {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'fastsde-'));
  t.teardown(() => {
    rmSync(folder, { recursive: true });
  });
  const tally = path.join(folder, 'tally');
  const env = { ...process.env, FASTSDE_EMULATION_TALLY: tally, ...environment };
  const all = ['sample', '--provider', 'cuda', '--output', path.join(folder, 'out.npy'), ...args];
  const { status, stderr } = spawnSync(process.execPath, [cli, ...all], { env, encoding: 'utf8' });
  return { status, stderr, tally };
}

(isRealGpu ? test.skip : test)('no state crosses the bus between the steps of a run', (t) => {
  const bytes = (steps: number) => {
    const { status, stderr, tally } = command(t, ['--count', '4', '--no-probe', '--steps', String(steps)]);
    t.is(status, 0, stderr);
    const lines = readFileSync(tally, 'utf8').split('\n');
    const count = (name: string) => Number(lines.find((line) => line.startsWith(`${name} `))?.split(' ')[1]);
    return { sent: count('sent'), received: count('received') };
  };
  const [few, many] = [bytes(4), bytes(14)];
  const state = 4 * 784 * 4;
  t.true(few.received >= state);
  t.true(many.received - few.received < 10 * 256, `${many.received - few.received} bytes for ten steps`);
  t.true(many.sent - few.sent < 10 * 256, `${many.sent - few.sent} bytes for ten steps`);
});

test.serial('features of pictures', async (t) => {
  const pictures = new Uint8Array(2 * 784).map((_, i) => i % 251);
  const found: Float32Array[] = [];
  for (const provider of places) {
    const network = await loadFeatureNetwork(embeddedFeatures(), { threads: 1, provider });
    found.push((await network.run(pictures, [2, 1, 28, 28])).features);
    await network.release();
  }
  agree(t, found, 'features');
});

test('without a driver, and with a provider that is none, there is an error', async (t) => {
  const { status, stderr } = command(t, [], { FASTSDE_LIBCUDA: '/nonexistent.so' });
  t.is(status, 1);
  t.regex(stderr, /The execution provider cuda cannot start: there is no CUDA driver/);
  await t.throwsAsync(() => load('vp', { provider: 'gpu' as 'cuda' }), {
    instanceOf: OptionError,
    message: /provider must be one of cpu, cuda/,
  });
  await t.throwsAsync(() => load('vp', { tf32: 1 as unknown as boolean }), { instanceOf: OptionError });
});
