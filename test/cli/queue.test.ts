import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { OptionError, QueueError } from '../../src/errors.js';
import { writeModel } from '../../src/onnx/file/model.js';
import { encodeNpy } from '../../src/io/npy.js';
import { cancelRun, submitRun, waitForRun } from '../../src/queue.js';
import { fastsdeIn, main } from '../support/command-line.js';
import { standardNormal } from '../support/latent-networks.js';
import { startRedis } from '../support/redis.js';

const folder = await mkdtemp(join(tmpdir(), 'fastsde-queue-'));
const fastsde = fastsdeIn(folder);
await mkdir(join(folder, 'redis'));
const server = await startRedis(join(folder, 'redis'));
const redis = ['--redis', server.url];
const covariances = [[[0.1, 0.02], [0.02, 0.1]]]; // prettier-ignore
await writeFile(
  join(folder, 'mixture.json'),
  JSON.stringify({ weights: [1], means: [[1, -1]], covariances }),
);

const workers = new Set<ChildProcess>();

/** A worker and what it says. */
function startWorker(cwd = folder): { process: ChildProcess; lines: string[] } {
  const args = ['worker', ...redis, '--threads', '1', '--lock-duration', '1000'];
  const process_ = spawn(process.execPath, [main, ...args], { cwd, stdio: ['ignore', 'ignore', 'pipe'] });
  workers.add(process_);
  process_.once('exit', () => workers.delete(process_));
  const lines: string[] = [];
  createInterface(process_.stderr).on('line', (line) => lines.push(line));
  return { process: process_, lines };
}

async function stopWorkers(): Promise<void> {
  for (const worker of workers) worker.kill('SIGKILL');
  while (workers.size > 0) await sleep(5);
}

test.afterEach.always(stopWorkers);
test.after.always(async () => {
  await server.stop();
  await rm(folder, { recursive: true });
});

const mixture = ['sample', '--mixture', 'mixture.json', '--seed', '5', '--steps', '400'];

async function sameSamples(t: ExecutionContext, merged: string, run: readonly string[]): Promise<void> {
  const { code, stderr } = await fastsde([...run, '--output', `${merged}-alone.npy`]);
  t.is(code, 0, stderr);
  t.deepEqual(
    await readFile(join(folder, merged)),
    await readFile(join(folder, `${merged}-alone.npy`)),
    'the merged file has the bits of an undivided run',
  );
}

test.serial('a server that takes no jobs leaves no folder', async (t) => {
  const { Redis } = await import('ioredis');
  const admin = new Redis(server.url);
  await admin.call('ACL', 'SETUSER', 'reader', 'on', '>secret', '~*', '+@read', '+@connection', '+info');
  await admin.quit();
  const reader = ['--redis', server.url.replace('redis://', 'redis://reader:secret@')];
  const { code, stderr } = await fastsde(['submit', ...mixture, '--output', 'refused/', ...reader]);
  t.is(code, 1);
  t.regex(stderr, /NOPERM|permission/);
  t.false((await readdir(folder)).includes('refused'));
});

test.serial('a worker ends where its server is away', async (t) => {
  const worker = startWorker();
  await sleep(2000);
  await server.stop();
  while (!worker.lines.some((line) => line.startsWith('the server is away'))) await sleep(20);
  const ended = once(worker.process, 'exit');
  worker.process.kill('SIGTERM');
  const [code, signal] = (await ended) as [number | null, NodeJS.Signals | null];
  t.true(code === 143 || signal === 'SIGTERM');
  await server.start();
});

// One after the other: each has the workers that it starts for itself.
test.serial('killed workers and a server that stops lose no job', async (t) => {
  const run = [...mixture, '--count', '400', '--batch', '10', '--predictor', 'euler-maruyama'];
  const submitted = fastsde([
    'submit',
    ...run,
    '--output',
    'out/',
    '--merge',
    'all.npy',
    ...redis,
    '--wait',
    '--json',
  ]);
  for (let i = 0; i < 3; i++) startWorker();
  const drawn = async () => (await readdir(join(folder, 'out')).catch(() => [])).filter((name) => name.endsWith('.npy')).length; // prettier-ignore
  for (let kills = 0; kills < 6; kills++) {
    while ((await drawn()) < 4 * (kills + 1)) await sleep(5);
    const [victim] = workers;
    const ended = once(victim!, 'exit');
    victim!.kill('SIGKILL');
    await ended;
    startWorker();
    if (kills !== 2) continue;
    await server.stop();
    await sleep(300);
    await server.start();
  }
  const { code, stdout, stderr } = await submitted;
  t.is(code, 0, stderr);
  t.like(JSON.parse(stdout) as object, { batches: 40, count: 400, shape: [400, 2], shards: 40 });
  await sameSamples(t, 'all.npy', run);
});

test.serial('likelihood is divided too, and evaluation is a job', async (t) => {
  const data = Float64Array.from({ length: 60 }, (_, i) => Math.sin(i));
  await writeFile(join(folder, 'points.npy'), encodeNpy({ data, shape: [30, 2] }));
  const run = [
    'likelihood',
    '--mixture',
    'mixture.json',
    '--data',
    'points.npy',
    '--count',
    '30',
    '--batch',
    '8',
  ];
  startWorker();
  const scored = await fastsde([
    'submit',
    ...run,
    '--output',
    'nll/',
    '--output',
    'nll.csv',
    ...redis,
    '--wait',
    '--json',
  ]);
  t.is(scored.code, 0, scored.stderr);
  t.is((await fastsde([...run, '--output', 'alone.csv'])).code, 0);
  t.is(await readFile(join(folder, 'nll.csv'), 'utf8'), await readFile(join(folder, 'alone.csv'), 'utf8'));

  const evaluated = ['evaluate', '--samples', 'points.npy', '--data', 'points.npy', '--metrics', 'kernel'];
  const { code, stdout, stderr } = await fastsde(['submit', ...evaluated, ...redis, '--wait', '--json']);
  t.is(code, 0, stderr);
  const alone = JSON.parse((await fastsde([...evaluated, '--json'])).stdout) as { kernel: object };
  t.deepEqual((JSON.parse(stdout) as { kernel: object }).kernel, alone.kernel);
});

const pictured = ['normal.onnx', '--data', 'pictures.npy', '--steps', '4'];
const measured = ['--mixture', 'mixture.json', '--data', 'y.npy', '--operator', 'A.npy', '--noise', '0.3'];
const restorations: Record<string, readonly string[]> = {
  restore: measured,
  inpaint: [...pictured, '--mask', 'half:left', '--method', 'mmps'],
  colorize: [...pictured, '--method', 'smc', '--particles', '2'],
};
for (const [command, flags] of Object.entries(restorations))
  test.serial(`${command} into a folder is divided among the workers`, async (t) => {
    await writeFile(join(folder, 'A.npy'), encodeNpy({ data: Float32Array.of(1, 0), shape: [1, 2] }));
    await writeFile(join(folder, 'y.npy'), encodeNpy({ data: Float32Array.of(1, -1, 0.5), shape: [3, 1] }));
    await writeModel(standardNormal([3, 2, 2]), join(folder, 'normal.onnx'));
    const data = Uint8Array.from({ length: 36 }, (_, i) => (97 * i) % 256);
    await writeFile(join(folder, 'pictures.npy'), encodeNpy({ data, shape: [3, 3, 2, 2] }));
    const drawn = [command, ...flags, '--count', '5', '--batch', '4', '--output'];
    const workers = [startWorker(), startWorker()];
    const queued = ['submit', ...drawn, `${command}/`, '--merge', `${command}.npy`, ...redis];
    const { code, stdout, stderr } = await fastsde([...queued, '--wait', '--json']);
    t.is(code, 0, stderr);
    const { shape, output } = JSON.parse(stdout) as { shape: number[]; output: string[] };
    t.deepEqual(shape.slice(0, 2), [3, 5]);
    t.deepEqual(output, [`${command}/`, `${command}.npy`]);
    t.true(workers.every(({ lines }) => lines.some((line) => /batch \d+ of 40: done/.test(line))));
    t.is((await fastsde([...drawn, 'undivided/'])).code, 0);
    t.is((await fastsde(['merge', 'undivided/', '--output', 'undivided.npy'])).code, 0);
    await rm(join(folder, 'undivided'), { recursive: true });
    t.deepEqual(
      await readFile(join(folder, `${command}.npy`)),
      await readFile(join(folder, 'undivided.npy')),
    );
  });

test.serial('a command that fills no folder is one job, with the threads of its worker', async (t) => {
  const data = new Uint8Array(12).fill(99);
  await writeFile(join(folder, 'pictures.npy'), encodeNpy({ data, shape: [1, 3, 2, 2] }));
  await writeModel(standardNormal([3, 2, 2]), join(folder, 'normal.onnx'));
  startWorker();
  const run = ['submit', 'colorize', ...pictured, '--output', 'coloured.npy', ...redis, '--wait', '--json'];
  const { code, stdout, stderr } = await fastsde(run);
  t.is(code, 0, stderr);
  t.like(JSON.parse(stdout), { shape: [1, 4, 3, 2, 2], output: 'coloured.npy', options: { threads: 1 } });
});

test.serial('the same command finds its run, and cancelling ends it', async (t) => {
  const args = [
    ...mixture,
    '--count',
    '64',
    '--batch',
    '8',
    '--steps',
    '100000',
    '--output',
    join(folder, 'slow/'),
  ];
  const run = await submitRun(args, { redis: server.url });
  t.is((await submitRun(args, { redis: server.url })).id, run.id);
  const { lines } = startWorker();
  while (!lines.some((line) => line.endsWith('batch 0 of 8: started'))) await sleep(10);
  await cancelRun(args, { redis: server.url });
  await t.throwsAsync(waitForRun(run, { redis: server.url }), {
    instanceOf: QueueError,
    message: /has ended: it was cancelled/,
  });
  // Put there again, it starts afresh.
  while (lines.filter((line) => /failed: it was cancelled/.test(line)).length < 8) await sleep(10);
  await stopWorkers();
  await submitRun(args, { redis: server.url });
  const stop = new AbortController();
  const waiting = waitForRun(run, { redis: server.url, signal: stop.signal });
  stop.abort();
  await t.throwsAsync(waiting, { any: true, name: 'AbortError' });
  await cancelRun(args, { redis: server.url });
});

test.serial('who waits is told how far a batch is', async (t) => {
  const count = ['--count', '8', '--batch', '8', '--steps', '150000'];
  const run = await submitRun([...mixture, ...count, '--output', join(folder, 'one/')], {
    redis: server.url,
  });
  startWorker();
  const stop = new AbortController();
  const seen: number[] = [];
  const onProgress = (done: number, of: number): void => {
    t.is(of, 1);
    seen.push(done);
    if (done > 0 && done < 1) stop.abort();
  };
  await t.throwsAsync(waitForRun(run, { redis: server.url, signal: stop.signal, onProgress }), { any: true });
  t.true(
    seen.some((done) => done > 0 && done < 1),
    seen.join(' '),
  );
  await cancelRun([...mixture, ...count, '--output', join(folder, 'one/')], { redis: server.url });
});

test.serial('a worker that is told to stop gives its job back', async (t) => {
  const run = [...mixture, '--count', '20', '--batch', '10', '--steps', '20000'];
  const submitted = fastsde([
    'submit',
    ...run,
    '--output',
    'back/',
    '--merge',
    'back.npy',
    ...redis,
    '--wait',
  ]);
  const first = startWorker();
  while (!first.lines.some((line) => line.includes('batch 0 of 2: started'))) await sleep(5);
  const ended = once(first.process, 'exit');
  first.process.kill('SIGTERM');
  await ended;
  startWorker();
  t.is((await submitted).code, 0);
  await sameSamples(t, 'back.npy', run);
});

test.serial(
  'a worker that does not see the folder says so, and so does one of another version',
  async (t) => {
    const elsewhere = join(folder, 'elsewhere');
    await mkdir(elsewhere);
    await cp(join(folder, 'mixture.json'), join(elsewhere, 'mixture.json'));
    const run = [...mixture, '--count', '4', '--output', 'seen/'];
    startWorker(elsewhere);
    const unseen = await fastsde(['submit', ...run, ...redis, '--wait']);
    t.is(unseen.code, 1);
    t.regex(
      unseen.stderr,
      /seen\/run-[\da-f]{24}\.json, which the run was submitted with, is not there for a worker in .*elsewhere/,
    );
    await stopWorkers();

    const { Queue } = await import('bullmq');
    const queue = new Queue('fastsde', { connection: { url: server.url } });
    const data = { fastsde: '0.0.1', args: ['evaluate'], id: 'of-another-version', batches: 0 };
    await queue.add('whole', data, { jobId: data.id });
    await queue.close();
    startWorker();
    await t.throwsAsync(waitForRun(data, { redis: server.url }), {
      message: /is of fastsde 0\.0\.1, and this worker of .*Install one version everywhere/,
    });
  },
);

test.serial('a full disk is waited for', async (t) => {
  // Where the folder of the run should be written lies one that is not writable for a while: a file in its place.
  const run = [...mixture, '--count', '4', '--batch', '4'];
  const out = join(folder, 'full');
  const submitted = fastsde([
    'submit',
    ...run,
    '--output',
    'full/',
    '--merge',
    'no/full.npy',
    ...redis,
    '--wait',
  ]);
  const { lines } = startWorker();
  while (!lines.some((line) => /end: later: Cannot write no\/full\.npy: its folder does not exist/.test(line))) await sleep(10); // prettier-ignore
  t.true((await readdir(out)).includes('samples-000000-000003.npy'));
  await mkdir(join(folder, 'no'));
  t.is((await submitted).code, 0);
  await rename(join(folder, 'no', 'full.npy'), join(folder, 'full.npy'));
  await sameSamples(t, 'full.npy', run);
});

test('what cannot be queued is refused before anything is', async (t) => {
  const cases: [string[], RegExp][] = [
    [['train', '--output', 'x/'], /must be one of sample, inpaint, colorize, restore, likelihood, evaluate/],
    [['sample', '--output', 'x.npy'], /--output must be a folder that all workers see/],
    [['sample', '--output', 'x/', '--shard', '0/2'], /--shard must be left out: the queue divides/],
    [
      ['inpaint', '--data', 'y.npy', '--mask', 'half:top', '--shard', '0/2'],
      /--shard must be left out: the queue/,
    ],
    [['colorize', '--data', 'y.npy', '--merge', 'x.npy'], /--output must be a folder that all workers see/],
    [['sample', '--ouput', 'x/'], /fastsde sample: unknown option '--ouput'/],
    [['sample', '--output', 'x/', '--count', '1000000', '--batch', '1'], /--batch must be large enough/],
    [['sample', '--output', 'x/', '--merge', 'x.png'], /--merge must be a \.npy file/],
    [['likelihood', '--data', 'points.npy', '--output', 'x/'], /--count must be given/],
    [['sample', '--output', 'x/', '--cancel'], /not in the queue/],
  ];
  for (const [args, message] of cases) {
    const { code, stderr } = await fastsde(['submit', ...args, ...redis]);
    t.is(code, 1);
    t.regex(stderr, message);
  }
});

test('a server that is not there, is none, or is too old is named, with what to do', async (t) => {
  const args = ['evaluate', '--samples', 'a.npy', '--data', 'b.npy'];
  await t.throwsAsync(submitRun(args, { redis: 'redis://127.0.0.1:1' }), {
    instanceOf: QueueError,
    message: /No Redis server answers at redis:\/\/127\.0\.0\.1:1 .*ECONNREFUSED.* Start one/,
  });
  await t.throwsAsync(submitRun(args, { redis: 'localhost' }), { instanceOf: OptionError });
  const info = '# Server\r\nredis_version:4.0.14\r\nloading:0\r\n';
  const old = createServer((socket) => {
    socket.on('data', (data) => {
      const answers = (data.toString().match(/^\*/gm) ?? []).map(() => `$${info.length}\r\n${info}\r\n`);
      socket.write(answers.join(''));
    });
  }).listen(0, '127.0.0.1');
  await once(old, 'listening');
  const { port } = old.address() as AddressInfo;
  await t.throwsAsync(submitRun(args, { redis: `redis://:secret@127.0.0.1:${port}` }), {
    message: `The server at redis://127.0.0.1:${port} is Redis 4.0.14; a queue needs 6.2 or later.`,
  });
  old.close();
});
