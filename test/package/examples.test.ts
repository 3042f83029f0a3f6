import { mkdtemp, readdir, readFile, rm, mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { readImage } from '../../src/io/image.js';
import { decodeNpy } from '../../src/io/npy.js';
import { loadModel } from '../../src/score/network/load.js';
import { mergeShards } from '../../src/sampling/merge.js';
import { sample } from '../../src/sampling/sample.js';
import { startExample } from '../support/example.js';
import { fixture } from '../support/gaussian-image.js';

async function temporaryFolder(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'fastsde-example-'));
  t.teardown(() => rm(folder, { recursive: true }));
  return folder;
}

test('the script draws a picture', async (t) => {
  const path = join(await temporaryFolder(t), 'digits.png');
  const { code, stderr } = await startExample('sample-to-png/sample-to-png', [path, '2', '3']).ended;
  t.is(code, 0, stderr);
  t.like(await readImage(path), { width: 510, height: 256, channels: 1 });
});

test('the script finds a sampler that is close to the ODE', async (t) => {
  const example = startExample('choose-sampler/choose-sampler', [fixture('vp-eps'), '0.1', '6']);
  t.regex(await example.line(/evaluations$/), /^(unipc|dpmpp-2m|deis|edm-heun)[\w:=-]* at \d+ evaluations$/);
  t.is((await example.ended).code, 0);
});

test('the worker goes on with a job that was stopped, and its samples get the same bits', async (t) => {
  const folder = await temporaryFolder(t);
  const job = { count: 24, batch: 2, steps: 150, seed: 5 };
  await mkdir(join(folder, 'jobs'));
  await writeFile(join(folder, 'jobs', 'digits.json'), JSON.stringify(job));
  const results = join(folder, 'results', 'digits');
  const shards = async () =>
    (await readdir(results).catch(() => [])).filter((name) => name.endsWith('.npy')).length;

  const first = startExample('job-worker/worker', [folder, fixture('vp-eps')]);
  while ((await shards()) < 2) await sleep(5);
  first.process.kill('SIGTERM');
  t.deepEqual(await first.ended, { code: 0, signal: null, stderr: '' });
  const made = await shards();
  t.true(made >= 2 && made < 12, `${made} of 12 batches`);
  t.deepEqual(await readdir(join(folder, 'jobs')), ['digits.json']);

  const second = startExample('job-worker/worker', [folder, fixture('vp-eps')]);
  t.regex(await second.line(/^digits: done/), new RegExp(`, ${2 * made} samples were there$`));
  second.process.kill('SIGTERM');
  t.is((await second.ended).code, 0);
  t.deepEqual(await readdir(join(folder, 'done')), ['digits.json']);

  await mergeShards([results], join(folder, 'digits.npy'));
  const model = await loadModel(fixture('vp-eps'));
  const { samples } = await sample(model, job);
  await model.close();
  t.deepEqual(decodeNpy(await readFile(join(folder, 'digits.npy'))).data, samples);
});

test('the worker puts jobs that cannot be done aside, with the reason', async (t) => {
  const folder = await temporaryFolder(t);
  await mkdir(join(folder, 'jobs'));
  const jobs = {
    damaged: '{',
    negative: '{"count":-1}',
    stray: '{"output":"/etc"}',
    whole: '{"count":1,"steps":2}',
  };
  for (const [name, text] of Object.entries(jobs))
    await writeFile(join(folder, 'jobs', `${name}.json`), text);
  await mkdir(join(folder, 'jobs', 'folder.json'));
  const worker = startExample('job-worker/worker', [folder, fixture('vp-eps')]);
  await worker.line(/^whole: done/);
  worker.process.kill('SIGTERM');
  await worker.ended;
  const reason = (name: string) => readFile(join(folder, 'failed', `${name}.txt`), 'utf8');
  t.regex(await reason('damaged'), /not JSON/);
  t.regex(await reason('folder'), /EISDIR/);
  t.regex(await reason('negative'), /count must be an integer/);
  t.regex(await reason('stray'), /"output"/);
  t.deepEqual(await readdir(join(folder, 'done')), ['whole.json']);
});

/** The lines of JSON that an example prints. */
async function printed(name: string, args: readonly string[] = []): Promise<Record<string, unknown>[]> {
  const example = startExample(name, args);
  const { code, stderr } = await example.ended;
  if (code !== 0) throw new Error(stderr);
  return example.lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

test('a predictor of three scalars draws the law of its data', async (t) => {
  const [result] = await printed('your-own/predictor');
  t.like(result, { predictor: 'ddim', score: 100 });
  // 8000 values of two coordinates with means 0.3 and -0.2 and standard deviation 0.5.
  t.true(Math.abs((result!['mean'] as number) - 0.05) < 0.025);
  t.true(Math.abs((result!['std'] as number) - 0.5) < 0.02);
});

test('a multistep predictor has order 2', async (t) => {
  const [first, second, third] = (await printed('your-own/multistep')).map(
    ({ distance }) => distance as number,
  );
  t.true(Math.abs(Math.log2(first! / second!) - 2) < 0.25, `${first!} ${second!}`);
  t.true(Math.abs(Math.log2(second! / third!) - 2) < 0.25, `${second!} ${third!}`);
});

test('a guided model draws from the class, and counts both networks', async (t) => {
  const [result] = await printed('your-own/guidance');
  // 4000 draws of N(0.5, 0.09): standard errors 0.0047 and 0.0020.
  t.true(Math.abs((result!['mean'] as number) - 0.5) < 0.02);
  t.true(Math.abs((result!['variance'] as number) - 0.09) < 0.008);
  t.deepEqual(result!['networks'], { network: 201, classifier: 201 });
});

test('inpainting keeps the known half and draws a picture', async (t) => {
  const path = join(await temporaryFolder(t), 'inpainted.png');
  const [result] = await printed('your-own/inpainting', [path, '5']);
  t.deepEqual(result, { kept: true, constraints: [{ name: 'inpainting' }] });
  t.is((await readImage(path)).channels, 1);
});

test('workers share a folder, and a job that cannot be written waits while others are done', async (t) => {
  const folder = await temporaryFolder(t);
  await mkdir(join(folder, 'jobs'));
  await mkdir(join(folder, 'results'));
  // Where its folder should be lies a file.
  await writeFile(join(folder, 'results', 'blocked'), '');
  await writeFile(join(folder, 'jobs', 'blocked.json'), '{"count":1,"steps":2}');
  const jobs = ['a', 'b', 'c', 'd'];
  for (const name of jobs)
    await writeFile(join(folder, 'jobs', `${name}.json`), '{"count":8,"batch":2,"steps":60}');
  const workers = [1, 2].map(() => startExample('job-worker/worker', [folder, fixture('vp-eps')]));
  for (const worker of workers) await worker.line(/^blocked: later: Cannot write /);
  const done = async () => (await readdir(join(folder, 'done')).catch(() => [])).length;
  while ((await done()) < jobs.length) await sleep(20);
  for (const { process } of workers) process.kill('SIGTERM');
  for (const { ended } of workers) t.deepEqual(await ended, { code: 0, signal: null, stderr: '' });
  t.deepEqual(await readdir(join(folder, 'jobs')), ['blocked.json']);
  t.deepEqual(await readdir(join(folder, 'failed')), []);
});
