// A process that takes jobs from a folder. A job is a file jobs/<name>.json with options of `sample`, such as
// {"count": 1000, "steps": 500, "seed": 1}. Its samples go to results/<name>/, and then its file to done/; or to failed/, with
// the reason beside it.
//
//   node --experimental-strip-types examples/job-worker/worker.ts folder [model.onnx]     (Node 22)
//
// Stopped at any moment and started again, it goes on with the job at the batch where it was, and the samples get the same bits.
// On SIGTERM or Ctrl-C it stops within one evaluation of the network. One process works on one folder.
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join, parse } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DataError, embeddedModel, FastsdeError, loadModel, sampleShards, type ShardsOptions } from 'fastsde';

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

try {
  for (;;) {
    const [file] = (await readdir(join(folder, 'jobs'))).filter((name) => name.endsWith('.json')).sort();
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
    const job = options(await readFile(join(folder, 'jobs', file), 'utf8'));
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
    // What stops the process is no fault of the job, which stays where it is.
    if (stopping.signal.aborted || !(error instanceof FastsdeError)) throw error;
    await writeFile(join(folder, 'failed', `${name}.txt`), `${error.message}\n`);
    await rename(join(folder, 'jobs', file), join(folder, 'failed', file));
    console.log(`${name}: failed: ${error.message}`);
  }
}

/** The options of a job; only numbers and words can be in a file. */
function options(text: string): ShardsOptions {
  let job: unknown;
  try {
    job = JSON.parse(text);
  } catch (cause) {
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
