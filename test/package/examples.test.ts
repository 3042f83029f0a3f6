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
import { startExample, startPreviewService } from '../support/example.js';
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

test('the service streams previews and the result, answers meanwhile, and says what is wrong', async (t) => {
  const { example, url } = await startPreviewService();
  t.regex(await (await fetch(url)).text(), /<title>fastsde/);

  const streaming = fetch(`${url}sample?count=2&steps=20`);
  t.deepEqual(await (await fetch(`${url}health`)).json(), { waiting: 0 });
  const response = await streaming;
  t.is(response.headers.get('content-type'), 'text/event-stream');
  const events = (await response.text()).trim().split('\n\n');
  const names = events.map((event) => /^event: (.*)/.exec(event)![1]);
  t.is(names.at(-1), 'result');
  t.true(names.length > 2 && names.slice(0, -1).every((name) => name === 'preview'));
  const result = JSON.parse(/^data: (.*)/m.exec(events.at(-1)!)![1]!) as { image: string; counts: object };
  t.like(result.counts, { score: 40 });
  t.regex(result.image, /^data:image\/png;base64,iVBOR/);

  for (const [path, status, message] of [
    ['sample?count=0', 400, /count must be an integer/],
    ['sample?steps=many', 400, /steps must be a number of at most 1000/],
    ['other', 404, /Not found/],
  ] as const) {
    const refused = await fetch(url + path);
    t.is(refused.status, status);
    t.regex(await refused.text(), message);
  }

  example.process.kill('SIGTERM');
  t.deepEqual(await example.ended, { code: 0, signal: null, stderr: '' });
});

test('the service stops sampling for those who leave, and refuses those who are too many', async (t) => {
  const { example, url } = await startPreviewService();
  const waiting = async () => ((await (await fetch(`${url}health`)).json()) as { waiting: number }).waiting;
  const left = new AbortController();
  // Two engines and twenty places; each request would take minutes.
  const long = Array.from({ length: 22 }, () =>
    t.throwsAsync(
      fetch(`${url}sample?count=64&steps=1000`, { signal: left.signal }).then((response) => response.text()),
      { any: true },
    ),
  );
  while ((await waiting()) < 20) await sleep(20);
  const refused = await fetch(`${url}sample?count=1&steps=2`);
  t.deepEqual([refused.status, refused.headers.get('retry-after')], [503, '5']);

  left.abort();
  await Promise.all(long);
  while ((await waiting()) > 0) await sleep(20);
  const served = await fetch(`${url}sample?count=1&steps=2`);
  t.regex(await served.text(), /event: result/);
  example.process.kill('SIGTERM');
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
  const worker = startExample('job-worker/worker', [folder, fixture('vp-eps')]);
  await worker.line(/^whole: done/);
  worker.process.kill('SIGTERM');
  await worker.ended;
  const reason = (name: string) => readFile(join(folder, 'failed', `${name}.txt`), 'utf8');
  t.regex(await reason('damaged'), /not JSON/);
  t.regex(await reason('negative'), /count must be an integer/);
  t.regex(await reason('stray'), /"output"/);
  t.deepEqual(await readdir(join(folder, 'done')), ['whole.json']);
});
