import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { createInterface } from 'node:readline';

import type { Dataset } from '../src/data/dataset.js';
import { buildNetwork } from '../src/networks/build.js';
import type { NetworkDescription } from '../src/networks/description.js';
import { train } from '../src/training/train.js';
import { printTable } from './measure.js';

/** Milliseconds of a step, on the clock and of processor time summed over threads; and MB that the process has held at most. */
interface Time {
  wall: number;
  cpu: number;
  peak: number;
}

/** The network in PyTorch; `measure` gives undefined where a mode does not work. */
interface Rival {
  parameters: number;
  measure: (mode: 'eager' | 'compiled', batch: number, steps: number) => Promise<Time | undefined>;
  end: () => void;
}

async function pytorch(network: NetworkDescription, threads: number): Promise<Rival | undefined> {
  const script = join('bench', 'training_torch.py');
  const child = spawn('python3', ['-W', 'ignore', script, JSON.stringify(network), String(threads)], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ready = await Promise.race([lines.next(), once(child, 'exit').then(() => undefined)]);
  if (ready === undefined || ready.done === true) return undefined;
  return {
    parameters: Number(ready.value),
    measure: async (mode, batch, steps) => {
      child.stdin.write(`${mode} ${batch} ${steps}\n`);
      const { value } = (await lines.next()) as { value: string };
      const answer = JSON.parse(value) as Time & { error?: string };
      if (answer.error === undefined) return answer;
      console.log(`PyTorch, ${mode}: ${answer.error}`);
      return undefined;
    },
    end: () => child.stdin.end(),
  };
}

const base = {
  kind: 'unet',
  sde: 'vp',
  labels: 't*999',
  parameterization: 'eps',
  dataRange: [-1, 1],
  precondition: { mean: 0, std: 0.5 },
  stem: 2,
  embedding: 128,
} as const;

const networks: Record<string, NetworkDescription> = {
  digits: { ...base, shape: [1, 28, 28], channels: [32, 80], blocks: [1, 3], attention: [1] },
  'CIFAR-10 size': { ...base, shape: [3, 32, 32], channels: [64, 160], blocks: [2, 4], attention: [1] },
};

function randomImages(shape: readonly number[]): Dataset {
  const count = 4096;
  const length = shape.reduce((product, size) => product * size, count);
  let state = 1;
  const data = Uint8Array.from({ length }, () => {
    state = Math.imul(state, 1103515245) + 12345;
    return state >>> 24;
  });
  return { data, shape: [count, ...shape] };
}

interface Ours extends Time {
  /** Share of the workers' time outside the network. */
  outside: number;
  /** 99th percentile of the event loop's delay on the main thread, milliseconds. */
  delay: number;
}

/** Trains for twice as many steps, and measures the second half: the first one opens sessions and warms up. */
async function ours(
  network: NetworkDescription,
  data: Dataset,
  batch: number,
  steps: number,
  workers: number,
): Promise<Ours> {
  const run = train(buildNetwork(network), data, { steps: 2 * steps, batch, workers, progressEvery: steps });
  const loop = monitorEventLoopDelay({ resolution: 1 });
  let [start, cpu] = [0, process.cpuUsage()];
  let time: Time = { wall: 0, cpu: 0, peak: 0 };
  for await (const { step } of run) {
    const { user, system } = process.cpuUsage(cpu);
    const peak = process.resourceUsage().maxRSS / 1024;
    time = { wall: (performance.now() - start) / steps, cpu: (user + system) / 1e3 / steps, peak };
    if (step === steps) loop.enable();
    [start, cpu] = [performance.now(), process.cpuUsage()];
  }
  loop.disable();
  const { networkShare } = await run;
  return { ...time, outside: 1 - networkShare, delay: loop.percentile(99) / 1e6 };
}

/**
 * Steps of training (data, noise, gradient, clipping, AdamW, average) in images/s, of `train` and of PyTorch with the same
 * network, batch and number of threads, in turns: `npm run bench -- training`, with THREADS, BATCH, STEPS and ROUNDS in
 * the environment.
 */
export async function run(): Promise<void> {
  const threads = Number(process.env['THREADS'] ?? 2);
  const batch = Number(process.env['BATCH'] ?? 64);
  const steps = Number(process.env['STEPS'] ?? 10);
  const rounds = Number(process.env['ROUNDS'] ?? 5);
  for (const [name, network] of Object.entries(networks)) {
    const data = randomImages(network.shape);
    const rival = await pytorch(network, threads);
    if (rival === undefined) console.log('PyTorch is not installed; measuring without it');
    const weights = buildNetwork(network).proto.graph.initializer;
    const named = weights.filter((tensor) => /\.(weight|bias)$/.test(tensor.name ?? ''));
    const count = named.reduce((sum, { dims }) => sum + dims.reduce((a, b) => a * b, 1), 0);
    console.log(`${name}: ${count} parameters, PyTorch ${rival?.parameters ?? '-'}`);
    const rows: string[][] = [];
    const found: { ours: Ours; eager: Time | undefined; compiled: Time | undefined }[] = [];
    for (let round = 0; round < rounds; round++) {
      found.push({
        ours: await ours(network, data, batch, steps, threads),
        eager: await rival?.measure('eager', batch, steps),
        compiled: await rival?.measure('compiled', batch, steps),
      });
    }
    rival?.end();
    for (const who of ['ours', 'eager', 'compiled'] as const) {
      const times = found.flatMap((each) => each[who] ?? []);
      if (times.length === 0) continue;
      const ratio = (key: 'wall' | 'cpu'): string =>
        median(found.flatMap((each) => (each[who] ? each[who][key] / each.ours[key] : []))).toFixed(2);
      rows.push([
        who === 'ours' ? 'fastsde' : `PyTorch, ${who}`,
        ((1000 * batch) / Math.min(...times.map(({ wall }) => wall))).toFixed(0),
        ((1000 * batch) / median(times.map(({ wall }) => wall))).toFixed(0),
        (Math.min(...times.map(({ cpu }) => cpu)) / batch).toFixed(2),
        `${ratio('wall')} / ${ratio('cpu')}`,
        // PyTorch's modes share a process: the first round's eager figure is before anything was compiled.
        times[0]!.peak.toFixed(0),
      ]);
    }
    console.log(
      `${name}, batch ${batch}, ${threads} threads, ${rounds} rounds of ${steps} steps; over ours: time of a step on the clock / of processor time, medians of rounds`,
    );
    printTable(['trainer', 'best images/s', 'median images/s', 'CPU ms/image', 'over ours', 'peak MB'], rows);
    const middle = (pick: (each: Ours) => number): number => median(found.map((each) => pick(each.ours)));
    console.log(
      `outside the network ${(100 * middle(({ outside }) => outside)).toFixed(1)} %, ` +
        `event loop delay ${middle(({ delay }) => delay).toFixed(1)} ms (99th percentile)`,
    );
  }
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1]!;
}
