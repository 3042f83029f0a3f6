import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { createInterface } from 'node:readline';

import { jvp } from '../src/autodiff/jvp.js';
import { parameterValues } from '../src/autodiff/parameters.js';
import { trainingGraph } from '../src/autodiff/training.js';
import { vjp } from '../src/autodiff/vjp.js';
import { modelBytes, readModel, type Model } from '../src/onnx/file/model.js';
import { blockConvolutions } from '../src/onnx/run/blocked.js';
import { createSession, type Session, type Tensor } from '../src/onnx/run/runtime.js';
import { printTable } from './measure.js';

/** Milliseconds of one run: on the clock, and of processor time summed over threads. */
interface Time {
  wall: number;
  cpu: number;
}

type Mode = 'forward' | 'vjp' | 'jvp' | 'train' | 'blocked';
const MODES: readonly Mode[] = ['forward', 'vjp', 'jvp', 'train', 'blocked'];

function smaller(a: Time, b: Time): Time {
  return { wall: Math.min(a.wall, b.wall), cpu: Math.min(a.cpu, b.cpu) };
}

/** The same network in PyTorch, in a process that answers one measurement at a time; absent without torch. */
async function pytorch(
  threads: number,
): Promise<{ measure: (mode: Mode, batch: number) => Promise<Time>; end: () => void } | undefined> {
  const child = spawn('python3', ['-W', 'ignore', join('bench', 'autodiff_torch.py'), String(threads)], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ready = await Promise.race([lines.next(), once(child, 'exit').then(() => undefined)]);
  if (ready?.value !== 'ready') return undefined;
  return {
    measure: async (mode, batch) => {
      child.stdin.write(`${mode} ${batch}\n`);
      const { value } = (await lines.next()) as { value: string };
      return JSON.parse(value) as Time;
    },
    end: () => child.stdin.end(),
  };
}

async function measure(session: Session, feeds: Record<string, Tensor>): Promise<Time> {
  const known = new Set(session.inputs.map(({ name }) => name));
  const used = Object.fromEntries(Object.entries(feeds).filter(([name]) => known.has(name)));
  const [start, cpu] = [performance.now(), process.cpuUsage()];
  await session.run(used);
  const { user, system } = process.cpuUsage(cpu);
  return { wall: performance.now() - start, cpu: (user + system) / 1e3 };
}

function random(dims: number[]): Tensor {
  return {
    data: Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => Math.random() - 0.5),
    dims,
  };
}

/**
 * Forward, vjp, jvp and training graph, plain and in blocks, of the embedded U-Net beside PyTorch's autograd on the same architecture,
 * measured in turns: `npm run bench -- autodiff`, with THREADS, BATCHES and RUNS in the environment.
 */
export async function run(): Promise<void> {
  const threads = Number(process.env['THREADS'] ?? 2);
  const batches = (process.env['BATCHES'] ?? '1,16,64').split(',').map(Number);
  const runs = Number(process.env['RUNS'] ?? 7);
  const model = await readModel(join('models', 'mnist-vp.onnx'));
  const start = performance.now();
  const pulled = await vjp(model, { wrt: 'x' });
  const transform = performance.now() - start;
  const training = await trainingGraph(model, { loss: { kind: 'mean-squared-error' } });
  const models: Record<Exclude<Mode, 'blocked'>, Model> = {
    forward: model,
    vjp: pulled,
    jvp: await jvp(model, { wrt: 'x' }),
    train: training.model,
  };
  console.log(
    `vjp of ${model.nodes.length} nodes made in ${transform.toFixed(0)} ms; ${threads} threads; best of ${runs} runs`,
  );
  const values = parameterValues(
    model,
    training.parameters.map(({ name }) => name),
  );
  const parameters = Object.fromEntries(
    training.parameters.map(({ name, shape }) => [name, { data: values.get(name)!, dims: shape }]),
  );
  const torch = await pytorch(threads);
  if (torch === undefined) console.log('PyTorch is not installed; measuring without it');

  const rows: string[][] = [];
  for (const batch of batches) {
    const images = (): Tensor => random([batch, 1, 28, 28]);
    const t = { data: new Float32Array(batch).fill(400), dims: [batch] };
    const feeds = { x: images(), t, cotangent: images(), tangent: images(), target: images(), ...parameters };
    let forward: Time | undefined;
    let torchForward: Time | undefined;
    for (const mode of MODES) {
      const graph = mode === 'blocked' ? await blockConvolutions(training.model, batch) : models[mode];
      if (graph === undefined) continue;
      const session = await createSession(modelBytes(graph), { threads });
      await measure(session, feeds);
      let [ours, theirs] = [await measure(session, feeds), await torch?.measure(mode, batch)];
      for (let k = 1; k < runs; k++) {
        ours = smaller(ours, await measure(session, feeds));
        if (theirs !== undefined) theirs = smaller(theirs, await torch!.measure(mode, batch));
      }
      await session.release();
      if (mode === 'forward') [forward, torchForward] = [ours, theirs];
      const ratio = (a?: Time, b?: Time): string =>
        a && b ? `${(a.wall / b.wall).toFixed(2)} / ${(a.cpu / b.cpu).toFixed(2)}` : '-';
      const time = (each?: Time): string => (each ? `${each.wall.toFixed(1)} / ${each.cpu.toFixed(1)}` : '-');
      rows.push([
        mode,
        String(batch),
        time(ours),
        ratio(ours, forward),
        time(theirs),
        ratio(theirs, torchForward),
        ratio(theirs, ours),
      ]);
    }
  }
  torch?.end();
  console.log('milliseconds and ratios on the clock / of processor time');
  printTable(
    ['graph', 'batch', 'ours', 'over forward', 'PyTorch', 'over forward', 'PyTorch over ours'],
    rows,
  );
  console.log(
    `largest resident set: ${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MB (all graphs and batches)`,
  );
}
