// A million stored digits, evaluated: writes them as a run that fills a folder does (digits of MNIST in turn with noise, in place of a
// network's, which would take hours; and without a picture of each), evaluates them, interrupts that in the middle and goes on, and
// compares with the run that was not interrupted. Prints times and the most memory that the processes had. On Linux, after
// "npx tsc -p tsconfig.json && npm run build:ts":
//
//   FASTSDE_DATA=DATA node scripts/evaluation/million.mjs FOLDER [count = 1000000]

import { spawn } from 'node:child_process';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { mnist } from '../../.test-build/src/data/mnist.js';
import { Stream } from '../../.test-build/src/device/binding.js';
import { fillNormal } from '../../.test-build/src/device/kernels.js';
import { writeAtomically } from '../../.test-build/src/io/atomic.js';
import { encodeNpy } from '../../.test-build/src/io/npy.js';
import { completeShards } from '../../.test-build/src/shards/complete.js';
import { sha256, shardName } from '../../.test-build/src/shards/manifest.js';
import { batchesOf } from '../../.test-build/src/shards/parts.js';
import { noCounts } from '../../.test-build/src/solvers/counts.js';

const [folder, given = 1_000_000] = process.argv.slice(2);
const count = Number(given);
const batch = 1000;
const shape = [1, 28, 28];
const samples = join(folder, 'samples');
for (const name of ['whole', 'parts']) await rm(join(folder, name), { recursive: true, force: true });
await mkdir(samples, { recursive: true });

const { data } = await mnist('train');
const begin = performance.now();
const run = { origin: { dataRange: [-1, 1] }, options: { batch, seed: 0 }, first: 0, count, shape };
await completeShards(samples, {
  run,
  parts: batchesOf(run, batch),
  manifest: 'manifest.json',
  onWait() {},
  async draw(part) {
    const values = new Float32Array(part.count * 784);
    fillNormal(values, part.count, { seed: 0n, samples: part.first, step: 0, stream: Stream.user });
    const from = (part.first % 60_000) * 784;
    values.forEach((z, k) => (values[k] = data[from + k] / 127.5 - 1 + 0.1 * z));
    const bytes = encodeNpy({ data: values, shape: [part.count, ...shape] });
    await writeAtomically(join(samples, shardName(part)), bytes);
    return { file: shardName(part), ...part, sha256: sha256(bytes), counts: noCounts() };
  },
});
console.log(`${count} are there after ${seconds(begin)} s`);

const whole = await evaluated('whole');
await evaluated('parts', count / batch / 2);
const parts = await evaluated('parts');
console.log(whole);
console.log(whole !== '' && whole === parts ? 'The same bits after the break.' : `not the same: ${parts}`);

/** What "fastsde evaluate" prints, with its features in a folder of their own; interrupted where that has so many files. */
async function evaluated(name, until = Infinity) {
  const cache = join(folder, name);
  const begin = performance.now();
  const child = spawn(process.execPath, [
    new URL('../../dist/cli.js', import.meta.url).pathname,
    'evaluate',
    ...['--samples', samples, '--data', 'mnist', '--cache', cache, '--json'],
  ]);
  let [out, most, ticks] = ['', 0, 0];
  child.stdout.on('data', (text) => (out += text));
  const watch = setInterval(async () => {
    const status = await readFile(`/proc/${child.pid}/status`, 'utf8').catch(() => '');
    most = Math.max(most, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0));
    const times = (await readFile(`/proc/${child.pid}/stat`, 'utf8').catch(() => ''))
      .split(') ')[1]
      ?.split(' ');
    if (times) ticks = Number(times[11]) + Number(times[12]);
    const [network] = await readdir(cache).catch(() => []);
    if (network && (await readdir(join(cache, network))).length >= until) child.kill('SIGINT');
  }, 200);
  const code = await new Promise((resolve) => child.on('exit', resolve));
  clearInterval(watch);
  console.log(
    `${name}: exit ${code} after ${seconds(begin)} s, ${ticks / 100} s of processors, ${(most / 1024).toFixed(0)} MB at most`,
  );
  return out;
}

function seconds(since) {
  return ((performance.now() - since) / 1000).toFixed(0);
}
