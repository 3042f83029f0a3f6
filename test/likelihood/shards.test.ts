import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { DataError, OptionError } from '../../src/errors.js';
import { encodeNpy } from '../../src/io/npy.js';
import { likelihood } from '../../src/likelihood/likelihood.js';
import { likelihoodShards, type LikelihoodShardsOptions } from '../../src/likelihood/shards.js';
import { mergeShards } from '../../src/sampling/merge.js';
import { mixtureModel } from '../../src/score/mixture/model.js';
import { vp } from '../../src/sde/vp.js';
import { fastsdeIn } from '../support/command-line.js';
import { planar } from '../support/planar-mixture.js';

const model = mixtureModel(planar, vp());
const data = planar.sample(22, { seed: 4n });
const options: LikelihoodShardsOptions = {
  batch: 5,
  probes: 2,
  repeats: 2,
  elboDraws: 4,
  first: 7,
  rtol: 1e-4,
};

async function temporaryFolder(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'fastsde-likelihood-'));
  t.teardown(() => rm(folder, { recursive: true }));
  return folder;
}

/** All but what differs from run to run. */
function figures<T extends { seconds: number }>(result: T): Omit<T, 'seconds' | 'found' | 'elsewhere'> {
  return { ...result, seconds: undefined, found: undefined, elsewhere: undefined };
}

test('figures kept in a folder are those of one run, to the last bit', async (t) => {
  const folder = await temporaryFolder(t);
  const whole = await likelihood(model, data, options);
  const kept = await likelihoodShards(model, data, folder, options);
  t.deepEqual(figures(kept), figures({ ...whole, found: 0, elsewhere: 0 }));
  t.is((await readdir(folder)).filter((name) => /^likelihood-0000\d\d-0000\d\d\.npz$/.test(name)).length, 5);
  const again = await likelihoodShards(model, data, folder, options);
  t.is(again.found, 22);
  t.deepEqual(figures(again), figures(kept));
});

test('a run that was stopped goes on, and two at once share the batches', async (t) => {
  const folder = await temporaryFolder(t);
  const stop = new AbortController();
  const onProgress = ({ done }: { done: number }) => {
    if (done >= 10) stop.abort();
  };
  await t.throwsAsync(
    likelihoodShards(model, data, folder, { ...options, signal: stop.signal, onProgress }),
    { any: true, name: 'AbortError' },
  );
  const both = await Promise.all([1, 2].map(() => likelihoodShards(model, data, folder, options)));
  t.deepEqual(
    both.map(({ found }) => found),
    [10, 10],
  );
  t.is(both[0]!.elsewhere + both[1]!.elsewhere, 12);
  const whole = await likelihood(model, data, options);
  for (const result of both) t.deepEqual(figures(result), figures({ ...whole, found: 0, elsewhere: 0 }));
});

test('other data, other options and a folder of samples are refused, and so are codes', async (t) => {
  const folder = await temporaryFolder(t);
  await likelihoodShards(model, data, folder, options);
  const other = Float64Array.from(data);
  other[3]! += 1e-6;
  await t.throwsAsync(likelihoodShards(model, other, folder, options), {
    instanceOf: DataError,
    message: /of another run: options\.data is/,
  });
  await t.throwsAsync(likelihoodShards(model, data, folder, { ...options, rtol: 1e-5 }), {
    message: /options\.rtol is 0\.0001 there and 0\.00001 here/,
  });
  await t.throwsAsync(mergeShards([folder]), { message: /holds log-densities, not samples/ });
  await t.throwsAsync(likelihoodShards(model, data, folder, { ...options, latents: true } as object), {
    instanceOf: OptionError,
  });
});

test('fastsde likelihood keeps batches in a folder, and writes files beside it', async (t) => {
  const folder = await temporaryFolder(t);
  const fastsde = fastsdeIn(folder);
  await writeFile(join(folder, 'points.npy'), encodeNpy({ data, shape: [22, 2] }));
  const mixture = { weights: [1], means: [[0, 0]], covariances: [[[1, 0], [0, 1]]] }; // prettier-ignore
  await writeFile(join(folder, 'mixture.json'), JSON.stringify(mixture));
  const run = ['likelihood', '--mixture', 'mixture.json', '--data', 'points.npy', '--batch', '6', '--output'];
  const alone = await fastsde([...run, 'alone.csv']);
  t.is(alone.code, 0, alone.stderr);
  const kept = await fastsde([...run, 'kept/', '--output', 'kept.csv']);
  t.is(kept.code, 0, kept.stderr);
  const again = await fastsde([...run, 'kept/', '--output', 'again.csv']);
  t.regex(again.stderr, /22 samples were there already/);
  const csv = await readFile(join(folder, 'alone.csv'), 'utf8');
  for (const name of ['kept', 'again']) t.is(await readFile(join(folder, `${name}.csv`), 'utf8'), csv);
  t.regex((await fastsde([...run, 'a/', '--output', 'b/'])).stderr, /--output must be one folder at most/);
});
