// Whole runs beside a network on a GPU: what a step takes for everything else.
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';

import { Queue } from '../src/device/queue.js';
import { LoadError } from '../src/errors.js';
import { buildNetwork } from '../src/networks/build.js';
import type { NetworkDescription } from '../src/networks/description.js';
import { writeModel } from '../src/onnx/file/model.js';
import { sample, type SampleOptions } from '../src/sampling/sample.js';
import { commandsOf } from '../src/score/commands.js';
import type { ScoreModel } from '../src/score/model.js';
import { loadModel } from '../src/score/network/load.js';
import { levelAt, type Level } from '../src/sde/level.js';
import { evaluationsOf } from '../src/solvers/counts.js';
import { printTable } from './measure.js';

/** 35.5 million parameters, as many as the U-Net of DDPM has for CIFAR-10, at its resolutions and widths; random weights. */
const unet: NetworkDescription = {
  ...{ kind: 'unet', sde: 'vp', parameterization: 'eps', shape: [3, 32, 32], stem: 1 },
  ...{ channels: [128, 256, 256, 256], blocks: 4, attention: [1], embedding: 512 },
};
const batch = 256;
const evaluations = 40;

const samplers: readonly SampleOptions[] = [
  { predictor: 'reverse-diffusion', corrector: 'langevin' },
  { predictor: 'euler-maruyama', corrector: 'none' },
  { solver: 'dpmpp-2m-sde' },
];

/** @param description a smaller network, where the GPU is emulated. */
export async function measureTrajectories(
  description: NetworkDescription = unet,
  rows: number = batch,
): Promise<void> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'fastsde-bench-'));
  try {
    const file = path.join(folder, 'unet.onnx');
    await writeModel(buildNetwork(description, 0n), file);
    const model = await loadModel(file, { provider: 'cuda', tf32: true, probe: false });
    const call = await callTime(model, rows);
    console.log(`\nA call of the network, ${[rows, ...model.shape].join('x')}, TF32: ${call.toFixed(2)} ms`);
    const lines: string[][] = [];
    for (const options of samplers) {
      const name = JSON.stringify(Object.values(options));
      const step = await stepTime(model, rows, options);
      lines.push([name, '', step.toFixed(2), (100 * (step / call - 1)).toFixed(2)]);
    }
    printTable(['sampler', '', 'ms an evaluation', '% over the call'], lines);
    await model.close();
  } catch (error) {
    if (!(error instanceof LoadError)) throw error;
    console.log(`\nNetworks: not measured. ${error.message}`);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Milliseconds of a call of the network alone, its values on the GPU. */
async function callTime(model: ScoreModel, rows: number): Promise<number> {
  const queue = new Queue(undefined, 'cuda');
  const elements = model.shape.reduce((product, n) => product * n, rows);
  const [x, output] = [queue.allocate(elements, 'single'), queue.allocate(elements, 'single')];
  const enqueue = commandsOf(model)!(queue, x, output);
  const levels = new Array<Level>(rows).fill(levelAt(model, 0.5));
  const calls = async () => {
    for (let i = 0; i < evaluations; i++) enqueue(levels);
    await queue.settled();
  };
  await calls();
  const start = performance.now();
  await calls();
  const time = (performance.now() - start) / evaluations;
  await queue.close();
  return time;
}

/** Milliseconds of a run by the number of its evaluations, the samples' way to the host included. */
async function stepTime(model: ScoreModel, rows: number, options: SampleOptions): Promise<number> {
  const run = () => sample(model, { count: rows, batch: rows, evaluations, ...options });
  await run();
  const start = performance.now();
  const { counts } = await run();
  return (performance.now() - start) / evaluationsOf(counts);
}
