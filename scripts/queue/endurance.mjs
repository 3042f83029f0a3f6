// Kills workers and stops the server while two runs are drawn, and compares the merged files with undivided runs; then the
// throughput of two workers against one.
//
//   npm run build:ts && node scripts/queue/endurance.mjs [kills]        # needs redis-server

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const kills = Number(process.argv[2] ?? 20);
const cli = join(import.meta.dirname, '..', '..', 'dist', 'cli.js');
const folder = await mkdtemp(join(tmpdir(), 'fastsde-endurance-'));
const port = 7411;
const redis = ['--redis', `redis://127.0.0.1:${port}`];

function start(command, args) {
  const child = spawn(command, args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  child.complaints = '';
  child.stderr.on('data', (data) => (child.complaints += data));
  return child;
}

async function fastsde(...args) {
  const child = start(process.execPath, [cli, ...args]);
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`fastsde ${args.join(' ')}: ${child.complaints}`);
}

let server;
async function startServer() {
  await mkdir(join(folder, 'redis'), { recursive: true });
  server = start('redis-server', [
    '--port',
    port,
    '--dir',
    join(folder, 'redis'),
    '--appendonly',
    'yes',
    '--logfile',
    'log',
  ]);
  await sleep(500);
}
async function stopServer() {
  server.kill('SIGTERM');
  await once(server, 'exit');
}

const workers = new Set();
function startWorker() {
  const worker = start(process.execPath, [
    cli,
    'worker',
    ...redis,
    '--threads',
    '1',
    '--lock-duration',
    '2000',
  ]);
  workers.add(worker);
  worker.once('exit', () => workers.delete(worker));
}
async function stopWorkers(signal) {
  for (const worker of workers) worker.kill(signal);
  while (workers.size > 0) await sleep(10);
}

await writeFile(
  join(folder, 'mixture.json'),
  '{"weights":[0.3,0.7],"means":[[1,-1],[-1,0.5]],"covariances":[[[0.1,0.02],[0.02,0.1]],[[0.2,0],[0,0.05]]]}',
);
const points = [
  'sample',
  '--mixture',
  'mixture.json',
  '--count',
  '100000',
  '--batch',
  '1000',
  '--solver',
  'euler-maruyama',
  '--steps',
  '300',
];
const digits = ['sample', '--count', '200', '--batch', '8', '--threads', '1'];

try {
  await startServer();
  const runs = [
    fastsde('submit', ...points, '--output', 'points/', '--merge', 'points.npy', ...redis, '--wait'),
    fastsde('submit', ...digits, '--output', 'digits/', '--merge', 'digits.npy', ...redis, '--wait'),
  ];
  let over = false;
  const all = Promise.all(runs).then(() => (over = true));
  for (let i = 0; i < 3; i++) startWorker();
  let random = 1;
  let killed = 0;
  while (!over && killed < kills) {
    random = (random * 48271) % 2147483647;
    await sleep(400 + (random % 1000));
    const list = [...workers];
    list[random % list.length].kill('SIGKILL');
    killed++;
    startWorker();
    if (killed !== kills / 2) continue;
    await stopServer();
    await sleep(1000);
    await startServer();
  }
  await all;
  console.log(`${killed} workers were killed before the runs were over, and the server was stopped once`);
  await stopWorkers('SIGTERM');
  for (const [name, run] of Object.entries({ points, digits })) {
    await fastsde(...run, '--output', `${name}-alone.npy`);
    const [merged, alone] = await Promise.all(
      ['', '-alone'].map((end) => readFile(join(folder, `${name}${end}.npy`))),
    );
    const parts = (await readdir(join(folder, name))).filter((file) => file.endsWith('.npy')).length;
    console.log(
      `${name}: ${parts} batches, merged file ${merged.equals(alone) ? 'has' : 'DOES NOT HAVE'} the bits of an undivided run`,
    );
  }

  const seconds = {};
  for (const count of [1, 2]) {
    for (let i = 0; i < count; i++) startWorker();
    const warm = [
      'sample',
      '--count',
      String(16 * count),
      '--batch',
      '8',
      '--seed',
      '9',
      '--output',
      `warm-${count}/`,
    ];
    await fastsde('submit', ...warm, ...redis, '--wait');
    const began = performance.now();
    const run = [
      'sample',
      '--count',
      '1440',
      '--batch',
      '8',
      '--seed',
      String(count),
      '--output',
      `speed-${count}/`,
    ];
    await fastsde('submit', ...run, ...redis, '--wait');
    seconds[count] = (performance.now() - began) / 1000;
    await stopWorkers('SIGTERM');
  }
  console.log(
    `1440 digits: one worker ${seconds[1].toFixed(1)} s, two ${seconds[2].toFixed(1)} s: ${(seconds[1] / seconds[2]).toFixed(2)} times the throughput`,
  );
} finally {
  await stopWorkers('SIGKILL');
  server.kill('SIGKILL');
  await rm(folder, { recursive: true });
}
