// A process that takes jobs from a folder. A job is a file jobs/<name>.json with options of `sample`, such as
// {"count": 1000, "steps": 500, "seed": 1}. Its samples go to results/<name>/, and then its file to done/; or to failed/, with
// the reason beside it.
//
//   node --experimental-strip-types examples/job-worker/worker.ts folder [model.onnx]     (Node 22)
//
// Stopped at any moment and started again, it goes on with the job at the batch where it was, and the samples get the same bits.
// On SIGTERM or Ctrl-C it stops within one evaluation of the network. What is no fault of the job, such as a full disk, is tried
// again later. Several workers may share a folder: they draw the batches of a job together, and those of a worker that died.
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join, parse } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  DataError,
  embeddedModel,
  FastsdeError,
  loadModel,
  OutputError,
  sampleShards,
  type ShardsOptions,
} from 'fastsde';

const [folder, path = embeddedModel('vp')] = process.argv.slice(2);
if (folder === undefined) throw new Error('Give the folder of the jobs.');

const stopping = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT'] as const)
  process.once(signal, () => {
    stopping.abort();
  });

const model = await loadModel(path);
for (const place of ['jobs', 'results', 'done', 'failed'])
  await mkdir(join(folder, place), { recursive: true });

/** Milliseconds until a job that could not be done for no fault of its own is tried again, and when that is, by file. */
const patience = 60_000;
const postponed = new Map<string, number>();

try {
  for (;;) {
    const files = (await readdir(join(folder, 'jobs'))).filter((name) => name.endsWith('.json')).sort();
    const file = files.find((name) => (postponed.get(name) ?? 0) <= Date.now());
    if (file !== undefined) await work(folder, file);
    else await sleep(1000, undefined, { signal: stopping.signal });
  }
} catch (error) {
  if (!stopping.signal.aborted) throw error;
} finally {
  await model.close();
}

async function work(folder: string, file: string): Promise<void> {
  const { name } = parse(file);
  try {
    try {
      const job = await options(join(folder, 'jobs', file));
      console.log(`${name}: started`);
      const { found, seconds } = await sampleShards(model, join(folder, 'results', name), {
        ...job,
        signal: stopping.signal,
      });
      await rename(join(folder, 'jobs', file), join(folder, 'done', file));
      console.log(
        `${name}: done in ${seconds.toFixed(1)} s${found > 0 ? `, ${found} samples were there` : ''}`,
      );
    } catch (error) {
      if (stopping.signal.aborted || !(error instanceof FastsdeError) || error instanceof OutputError)
        throw error;
      await writeFile(join(folder, 'failed', `${name}.txt`), `${error.message}\n`);
      await rename(join(folder, 'jobs', file), join(folder, 'failed', file));
      console.log(`${name}: failed: ${error.message}`);
    }
  } catch (error) {
    if (stopping.signal.aborted) throw error;
    // Another worker has done it.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    postponed.set(file, Date.now() + patience);
    console.log(`${name}: later: ${(error as Error).message}`);
  }
}

/** The options of a job; only numbers and words can be in a file. */
async function options(path: string): Promise<ShardsOptions> {
  let job: unknown;
  try {
    job = JSON.parse(await readFile(path, 'utf8'));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') throw cause;
    throw new DataError(`The job is not JSON: ${(cause as Error).message}.`, { cause });
  }
  const known = [
    'count',
    'batch',
    'seed',
    'first',
    'classLabel',
    'predictor',
    'corrector',
    'snr',
    'steps',
    'epsilon',
  ];
  if (typeof job !== 'object' || job === null) throw new DataError('A job is an object with options.');
  const stray = Object.keys(job).find((key) => !known.includes(key));
  if (stray !== undefined) throw new DataError(`The job has "${stray}"; it may have ${known.join(', ')}.`);
  return job;
}
