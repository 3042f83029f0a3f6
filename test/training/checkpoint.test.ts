import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

import test, { type ExecutionContext } from 'ava';

import { DataError, OptionError, OutputError } from '../../src/errors.js';
import { decodeSafetensors } from '../../src/io/safetensors.js';
import type { TrainOptions } from '../../src/training/options.js';
import type { TrainResult } from '../../src/training/results.js';
import { train } from '../../src/training/train.js';
import { planarData, planarNetwork, TRAINING, weightsOf } from '../support/training-runs.js';

const data = planarData(50);
const child = join(import.meta.dirname, '..', 'support', 'training-child.js');

async function temporaryFolder(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'fastsde-training-'));
  t.teardown(() => rm(folder, { recursive: true }));
  return folder;
}

async function run(steps: number, options: Partial<TrainOptions> = {}): Promise<TrainResult> {
  return train(await planarNetwork(), data, { ...TRAINING, steps, ...options });
}

const allWeights = ({ averages }: TrainResult): number[][] => averages.map(weightsOf);

test('a run that is killed again and again ends with the bits of one that is not', async (t) => {
  const folder = join(await temporaryFolder(t), 'checkpoints');
  let last = 0;
  for (const death of [2, 7, 13]) {
    const killed = spawn(process.execPath, [child, folder, '100000'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exit = once(killed, 'exit');
    for await (const line of createInterface({ input: killed.stdout })) {
      last = Number(line);
      if (last >= death) killed.kill('SIGKILL');
    }
    t.deepEqual(await exit, [null, 'SIGKILL']);
  }
  const steps = last + 10;
  const continued = await run(steps, { checkpoints: { folder, every: 3 } });
  t.true(continued.resumedFrom > 0 && continued.resumedFrom < steps);
  t.deepEqual(allWeights(continued), allWeights(await run(steps)));
});

test('a run that is stopped ends after the step under way, with a checkpoint that waits for no evaluation', async (t) => {
  const folder = await temporaryFolder(t);
  const validation = planarData(33);
  const controller = new AbortController();
  const reason = new Error('enough');
  const stopped = train(await planarNetwork(), data, {
    ...TRAINING,
    steps: 100_000,
    progressEvery: 1,
    signal: controller.signal,
    checkpoints: { folder },
    validation,
  });
  let last = 0;
  const error = await t.throwsAsync(async () => {
    for await (const { step } of stopped) {
      last = step;
      if (step === 5) controller.abort(reason);
    }
  });
  t.is(error, reason);
  t.deepEqual(await readdir(folder), [`step-${String(last).padStart(8, '0')}.safetensors`]);
  const continued = await run(last + 4, { checkpoints: { folder }, validation });
  t.is(continued.resumedFrom, last);
  t.deepEqual(allWeights(continued), allWeights(await run(last + 4)));
});

test('an aborted signal stops a run before it starts', async (t) => {
  const reason = new Error('never');
  t.is(await t.throwsAsync(run(3, { signal: AbortSignal.abort(reason) })), reason);
});

test('a finished run is not run again', async (t) => {
  const folder = await temporaryFolder(t);
  const first = await run(4, { checkpoints: { folder } });
  const second = await run(4, { checkpoints: { folder } });
  t.deepEqual([second.resumedFrom, second.steps, second.loss], [4, 4, undefined]);
  t.deepEqual(allWeights(second), allWeights(first));
});

test('the folder keeps the last checkpoints and the best, with the whole state', async (t) => {
  const folder = await temporaryFolder(t);
  const { best, checkpoint } = await run(12, {
    checkpoints: { folder, every: 2, keep: 3 },
    validation: planarData(33),
  });
  t.deepEqual((await readdir(folder)).sort(), [
    'best.safetensors',
    ...['08', '10', '12'].map((step) => `step-000000${step}.safetensors`),
  ]);
  t.is(checkpoint, join(folder, 'step-00000012.safetensors'));
  const { tensors, metadata } = decodeSafetensors(await readFile(best!.path));
  t.is(Number(metadata['validation']), best!.loss);
  t.is(Number(metadata['step']), best!.step);
  t.deepEqual(
    [...tensors.keys()].filter((name) => name.endsWith('.head.bias')),
    ['parameters', 'firstMoments', 'secondMoments', 'averages.0', 'averages.1'].map(
      (part) => `${part}.head.bias`,
    ),
  );
});

test('the best checkpoint is the one of the smallest validation loss, also after a break', async (t) => {
  const folder = await temporaryFolder(t);
  const options = {
    checkpoints: { folder, every: 1, keep: 30 },
    validation: planarData(33),
    learningRate: 0.05,
  };
  await run(6, options);
  const { best } = await run(16, options);
  const losses = new Map<number, number>();
  for (const name of await readdir(folder)) {
    const { metadata } = decodeSafetensors(await readFile(join(folder, name)));
    losses.set(Number(metadata['step']), Number(metadata['validation']));
  }
  t.is(losses.size, 16);
  t.is(best!.loss, Math.min(...losses.values()));
  t.is(losses.get(best!.step), best!.loss);
});

test('a checkpoint of another run is refused, naming what differs', async (t) => {
  const folder = await temporaryFolder(t);
  const checkpoints = { folder };
  await run(2, { checkpoints });
  const cases: readonly [Partial<TrainOptions>, RegExp][] = [
    [{ batch: 25 }, /options\.batch is 24 there and 25 here/],
    [{ learningRate: 0.02 }, /options\.learningRate/],
    [{ seed: 6 }, /options\.seed/],
    [{ ema: { kind: 'constant', decay: 0.9 } }, /options\.ema/],
    [{ objective: { weighting: 'likelihood' } }, /options\.objective\.weighting/],
    [{ parameters: /head/ }, /parameters/],
  ];
  for (const [options, message] of cases)
    await t.throwsAsync(run(2, { ...options, checkpoints }), { instanceOf: DataError, message });
  const other = train(await planarNetwork(), planarData(51), { ...TRAINING, steps: 2, checkpoints });
  await t.throwsAsync(async () => other, { instanceOf: DataError, message: /data\.shape/ });
  const trained = (await run(1)).model;
  await t.throwsAsync(async () => train(trained, data, { ...TRAINING, steps: 2, checkpoints }), {
    instanceOf: DataError,
    message: /model is/,
  });
});

test('a run may go on with more steps, or with other workers, but not with fewer steps than it has made', async (t) => {
  const folder = await temporaryFolder(t);
  await run(3, { checkpoints: { folder } });
  t.is((await run(5, { checkpoints: { folder } })).resumedFrom, 3);
  t.is((await run(6, { checkpoints: { folder }, workers: 1 })).resumedFrom, 5);
  await t.throwsAsync(run(5, { checkpoints: { folder } }), {
    instanceOf: OptionError,
    message: `steps must be at least 6, as many as the run in ${folder} has made; got 5.`,
  });
});

test('a finished run that gets more steps goes on at the rate of the longer schedule', async (t) => {
  const folder = await temporaryFolder(t);
  const rates = async (steps: number): Promise<Map<number, number>> => {
    const seen = new Map<number, number>();
    const longer = train(await planarNetwork(), data, {
      ...TRAINING,
      steps,
      decay: 'cosine',
      progressEvery: 1,
      checkpoints: { folder },
    });
    for await (const { step, learningRate } of longer) seen.set(step, learningRate);
    return seen;
  };
  t.is((await rates(12)).get(12), 0);
  const longer = await rates(20);
  t.deepEqual([...longer.keys()], [13, 14, 15, 16, 17, 18, 19, 20]);
  // Half a cosine from the end of the warm-up, 10, to 20.
  for (const [step, rate] of longer)
    t.true(Math.abs(rate - 0.005 * (1 + Math.cos((Math.PI * (step - 10)) / 10))) < 1e-12);
});

test('a damaged checkpoint is named', async (t) => {
  const folder = await temporaryFolder(t);
  const { checkpoint } = await run(2, { checkpoints: { folder } });
  await truncate(checkpoint!, 9000);
  await t.throwsAsync(run(3, { checkpoints: { folder } }), {
    instanceOf: DataError,
    message: /step-00000002\.safetensors cannot be read/,
  });
});

test('a folder that cannot be made ends a run before it starts', async (t) => {
  const folder = await temporaryFolder(t);
  await writeFile(join(folder, 'file'), '');
  for (const place of [join(folder, 'file'), join(folder, 'absent', 'checkpoints')])
    await t.throwsAsync(run(2, { checkpoints: { folder: place } }), { instanceOf: OutputError });
});

test('a full disk ends a run, and its last checkpoint stays', async (t) => {
  const folder = await temporaryFolder(t);
  await run(3, { checkpoints: { folder, every: 3 } });
  const before = await readFile(join(folder, 'step-00000003.safetensors'));
  // A limit on the size of files fails in the middle of one, as a full disk does.
  const command = `ulimit -f 16 && exec "${process.execPath}" "${child}" "${folder}" 30`;
  const failed = promisify(execFile)('sh', ['-c', command]);
  const { stderr } = await t.throwsAsync<Error & { stderr: string }>(failed);
  t.regex(
    stderr,
    /OutputError: Cannot write .*step-00000006\.safetensors: the file would be larger than allowed here/,
  );
  t.deepEqual(await readdir(folder), ['step-00000003.safetensors']);
  t.deepEqual(await readFile(join(folder, 'step-00000003.safetensors')), before);
  t.is((await run(7, { checkpoints: { folder } })).resumedFrom, 3);
});
