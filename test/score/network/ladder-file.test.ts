import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { DataError } from '../../../src/errors.js';
import { encodeNpy } from '../../../src/io/npy.js';
import { readLadder } from '../../../src/score/network/ladder-file.js';
import { ladderFromName } from '../../../src/sde/named-ladder.js';

const folder = await mkdtemp(join(tmpdir(), 'fastsde-ladder-'));
test.after.always(() => rm(folder, { recursive: true }));

/** Writes a file, and reads a ladder from it. */
async function read(name: string, content: unknown) {
  const path = join(folder, name);
  await writeFile(path, content instanceof Uint8Array ? content : JSON.stringify(content));
  return readLadder(path);
}

test('betas and alpha^2 are read from lists', async (t) => {
  const betas = [0.1, 0.2, 0.4];
  const kept = [0.9, 0.9 * 0.8, 0.9 * 0.8 * 0.6];
  for (const [name, content] of [
    ['betas.json', betas],
    ['kept.json', kept],
    ['betas.npy', encodeNpy({ data: Float64Array.from(betas), shape: [3] })],
    ['kept.npy', encodeNpy({ data: Float32Array.from(kept), shape: [3] })],
  ] as const) {
    const { ladder, parameterization } = await read(name, content);
    ladder.alpha.forEach((a, i) => {
      t.true(Math.abs(a * a - kept[i]!) < 1e-7, name);
    });
    t.is(parameterization, undefined);
  }
});

test("a scheduler's configuration says what the network predicts, too", async (t) => {
  const config = {
    num_train_timesteps: 500,
    beta_schedule: 'scaled_linear',
    beta_start: 0.00085,
    beta_end: 0.012,
  };
  const { ladder, parameterization } = await read('scheduler_config.json', config);
  t.deepEqual(ladder, ladderFromName({ name: 'scaled-linear', levels: 500 }));
  t.is(parameterization, 'eps');
  const zero = await read('zero.json', {
    ...config,
    prediction_type: 'v_prediction',
    rescale_betas_zero_snr: true,
  });
  t.is(zero.parameterization, 'v');
  t.is(zero.ladder.alpha.at(-1), 0);
  const cosine = await read('cosine.json', { num_train_timesteps: 1000, beta_schedule: 'squaredcos_cap_v2' });
  t.deepEqual(cosine.ladder, ladderFromName({ name: 'cosine' }));
});

test('what is no ladder is refused with the name of the file', async (t) => {
  const refused: [string, unknown, RegExp][] = [
    ['object.json', { betas: 3 }, /holds no ladder/],
    ['words.json', [0.1, 'b'], /entry 1 is "b"/],
    ['large.json', [0.1, 1.2], /betas\[1\] must be between 0 and 1/],
    ['empty.json', [], /betas must be at least two numbers/],
    ['one.npy', encodeNpy({ data: Float32Array.of(0.5), shape: [1] }), /betas must be at least two numbers/],
    ['rank.npy', encodeNpy({ data: new Float32Array(4), shape: [2, 2] }), /no list of numbers/],
    ['flow.json', { shift: 3, num_train_timesteps: 1000 }, /--sde flow .*--grid shifted --rho with 3/],
    ['schedule.json', { beta_schedule: 'laplace' }, /beta_schedule "laplace" is none of linear/],
    ['prediction.json', { beta_schedule: 'linear', prediction_type: 'flow' }, /prediction_type "flow"/],
  ];
  for (const [name, content, message] of refused) {
    const error = await t.throwsAsync(read(name, content), { instanceOf: DataError, message });
    t.true(error.message.includes(name));
  }
});

test('a configuration whose entries are of another kind, or contradict one another, is refused by the entry', async (t) => {
  const config = { beta_schedule: 'linear', num_train_timesteps: 10, beta_start: 0.01, beta_end: 0.2 };
  const euler = { ...config, _class_name: 'EulerDiscreteScheduler' };
  const refused: [entries: object, message: RegExp][] = [
    [{ rescale_betas_zero_snr: 'false' }, /its rescale_betas_zero_snr must be true or false.*got "false"/],
    [{ clip_sample: 1 }, /its clip_sample must be true or false/],
    [{ beta_end: '0.02' }, /betaEnd must be between 0 and 1; got "0.02"/],
    [{ trained_betas: [0.1, 0.2] }, /its trained_betas must be .* \(10\); got 2 of them/],
    [{ trained_betas: 'betas.npy' }, /its trained_betas must be a list of numbers.*got "betas\.npy"/],
    [{ beta_schedule: 'constructor' }, /beta_schedule "constructor" is none of/],
    [{ prediction_type: 'toString' }, /prediction_type "toString" is none of/],
    [{ ...euler, use_karras_sigmas: true, use_beta_sigmas: true }, /use_beta_sigmas must be false beside/],
  ];
  for (const [entries, message] of refused)
    await t.throwsAsync(read('entries.json', { ...config, ...entries }), { instanceOf: DataError, message });
  const { ladder } = await read('trained.json', { trained_betas: [0.1, 0.2], num_train_timesteps: 2 });
  t.is(ladder.levels, 2);
  const { scheduler } = await read('class.json', { ...config, _class_name: 'constructor' });
  t.regex(scheduler!.doubts[0]!, /steps of constructor are not known/);
});

test('alpha^2 in rising order are no betas', async (t) => {
  const kept = Array.from(ladderFromName({ name: 'linear', levels: 100 }).alpha, (a) => a * a);
  const error = await t.throwsAsync(read('rising.json', kept.toReversed()), { instanceOf: DataError });
  t.regex(error.message, /rising\.json.*betas that leave some of the data, or alpha\^2, which falls/);
});
