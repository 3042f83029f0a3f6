import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { availableParallelism } from 'node:os';
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Worker } from 'node:worker_threads';
import { openEngines } from '../src/engine/engines.js';
import { loadModel } from '../src/score/network/load.js';
import type { OnnxScoreModel } from '../src/score/network/model.js';
import { sample, type SampleOptions, type Sampling } from '../src/sampling/sample.js';

const embedded = 'models/mnist-vp.onnx';
const batch = 64;

/** What engines cost and what they spare: throughput, delay of the event loop beside them, memory over many requests. */
export async function run(): Promise<void> {
  await throughput();
  for (const threads of new Set([1, availableParallelism()])) await responsiveness(threads);
  await memory();
}

/** A model whose runs onnxruntime-node makes on the calling thread. */
async function blockingModel(threads: number): Promise<OnnxScoreModel> {
  process.env['FASTSDE_SESSIONS'] = 'node';
  try {
    return await loadModel(embedded, { threads, probe: false });
  } finally {
    delete process.env['FASTSDE_SESSIONS'];
  }
}

/** The same runs on the calling thread and in an engine, in turns. */
async function throughput(): Promise<void> {
  const threads = availableParallelism();
  const options: SampleOptions = { count: batch, steps: 10 };
  const model = await blockingModel(threads);
  const engines = await openEngines(embedded, { threads, probe: false });
  const rounds = 15;
  const wall: number[] = [];
  const processor: number[] = [];
  const measured = async (work: () => PromiseLike<unknown>) => {
    const cpu = process.cpuUsage();
    const start = performance.now();
    await work();
    const { user, system } = process.cpuUsage(cpu);
    return { wall: performance.now() - start, processor: user + system };
  };
  for (let round = -1; round < rounds; round++) {
    const here = await measured(() => sample(model, options));
    const there = await measured(() => engines.sample(options));
    if (round < 0) continue;
    wall.push(there.wall / here.wall);
    processor.push(there.processor / here.processor);
  }
  console.log(
    `an engine against onnxruntime-node on the calling thread, ${batch}x1x28x28, 21 evaluations, ${threads} threads,`,
  );
  console.log(`  ${rounds} pairs of runs in turns: median ratio (quartiles)`);
  console.log(`  wall time       ${spread(wall)}`);
  console.log(`  processor time  ${spread(processor)}`);
  await Promise.all([model.close(), engines.close()]);
}

/** Delay of the event loop while a batch is sampled, with a server in this process that answers a client in another thread. */
async function responsiveness(threads: number): Promise<void> {
  const engines = await openEngines(embedded, { threads, probe: false });
  const options: SampleOptions = { count: batch, steps: 100, previewEvery: 10 };
  const model = await blockingModel(threads);
  console.log(
    `event loop while ${batch} samples are drawn with ${threads} threads, a server answering beside:`,
  );
  await watched('in an engine', () => drained(engines.sample(options)));
  await watched('on this thread', () => sample(model, { ...options, steps: 20 }));
  await watched('idle', () => new Promise((resolve) => setTimeout(resolve, 5000)));
  await Promise.all([model.close(), engines.close()]);
}

/** The end of a run, with its previews taken. */
async function drained(run: Sampling): Promise<void> {
  const previews = run[Symbol.asyncIterator]();
  while (!(await previews.next()).done);
  await run;
}

async function watched(name: string, work: () => PromiseLike<unknown>): Promise<void> {
  const server = createServer((_, response) => response.end('here'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const client = new Worker(clientScript, { eval: true, workerData: url });
  const latencies = new Promise<number[]>((resolve) => client.on('message', resolve));
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  await work();
  delay.disable();
  client.postMessage('stop');
  const answers = (await latencies).sort((a, b) => a - b);
  server.closeAllConnections();
  server.close();
  const [p50, p99, max] = [delay.percentile(50), delay.percentile(99), delay.max].map((ns) =>
    (ns / 1e6).toFixed(1),
  );
  const answered = answers.length === 0 ? '' : quantile(answers, 0.99).toFixed(1);
  console.log(
    `  ${name.padEnd(16)}delay p50 ${p50!}, p99 ${p99!}, most ${max!} ms; ${answers.length} answers, p99 ${answered} ms`,
  );
}

/** Asks every 5 ms until it is told to stop, then sends the milliseconds that answers took. */
const clientScript = `
  const { parentPort, workerData } = require('node:worker_threads');
  const latencies = [];
  let going = true;
  parentPort.once('message', () => (going = false));
  (async () => {
    while (going) {
      const start = performance.now();
      await (await fetch(workerData)).text();
      latencies.push(performance.now() - start);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    parentPort.postMessage(latencies);
  })();`;

/** Resident memory over many small requests, half of them with previews, a tenth aborted. */
async function memory(): Promise<void> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const mixture = { weights: [0.5, 0.5], means: [[-1], [1]], covariances: [0.1, 0.1] };
  const sources = { 'a mixture': { mixture }, 'a small network': 'test/fixtures/models/vp-eps.onnx' };
  const total = 20_000;
  for (const [name, source] of Object.entries(sources)) {
    const engines = await openEngines(source, { engines: 2, threads: 2 });
    const rows: string[] = [];
    for (let done = 0; done < total;) {
      const requests = Array.from({ length: 50 }, async (_, k) => {
        const controller = new AbortController();
        const run = engines.sample({
          count: 4,
          steps: 5,
          corrector: 'ald',
          seed: done + k,
          signal: controller.signal,
        });
        if (k % 10 === 9) controller.abort();
        await (k % 2 === 0 ? drained(run) : run);
      });
      await Promise.allSettled(requests);
      done += requests.length;
      if (done % (total / 10) !== 0) continue;
      collect();
      rows.push((process.memoryUsage.rss() / 2 ** 20).toFixed(0));
    }
    console.log(`resident MB after every tenth of ${total} requests to ${name}: ${rows.join(' ')}`);
    await engines.close();
  }
}

function spread(values: number[]): string {
  values.sort((a, b) => a - b);
  const [low, middle, high] = [0.25, 0.5, 0.75].map((share) => quantile(values, share).toFixed(3));
  return `${middle!} (${low!} to ${high!})`;
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.round(share * (sorted.length - 1))]!;
}
