import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { checkConfig, readConfig } from '../../src/cli/train/config.js';
import { DataError, OptionError } from '../../src/errors.js';

for (const [entries, message] of [
  [{ stpes: 10 }, /^stpes must be absent \(did you mean steps\?\); got 10/],
  [{ verbosity: 2 }, /^verbosity must be absent \(known are data, split/],
  [{ constructor: 2 }, /^constructor must be absent/],
  [{ steps: '10' }, /^steps must be a number; got "10"/],
  [{ flip: 1 }, /^flip must be true or false; got 1/],
  [{ network: ['unet'] }, /^network must be an object/],
  [{ objective: 'sliced' }, /^objective must be an object/],
  [{ objective: { wieghting: 'edm' } }, /^objective\.wieghting must be absent \(did you mean weighting\?\)/],
  [{ objective: { gamma: '5' } }, /^objective\.gamma must be a number/],
  [{ resize: [32] }, /^resize must be height and width/],
  [{ resize: [32, 'a'] }, /^resize must be a list of numbers/],
  [{ channels: 4 }, /^channels must be 1 or 3; got 4/],
  [{ split: 'tset' }, /^split must be one of train, test \(did you mean test\?\)/],
  [{ seed: 'abc' }, /^seed must be an integer/],
  [{ ema: 'slow' }, /^ema must be a decay/],
] as const) {
  test(`a configuration is refused: ${JSON.stringify(entries)}`, (t) => {
    t.throws(() => checkConfig(entries), { instanceOf: OptionError, message });
  });
}

test('a configuration may have every kind of average and of seed', (t) => {
  for (const ema of [0.999, [0.99, 0.999], { kind: 'constant', decay: 0.9 }])
    t.deepEqual(checkConfig({ ema }), { ema } as object);
  for (const seed of [7, '18446744073709551615']) t.deepEqual(checkConfig({ seed }), { seed });
});

test('a file that is absent, no JSON object or has another entry is refused by its name', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'fastsde-config-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const path = join(folder, 'train.json');
  await t.throwsAsync(readConfig(path), { instanceOf: DataError, message: /Cannot read .*train\.json/ });
  await writeFile(path, '{ "steps": 10, }');
  await t.throwsAsync(readConfig(path), { instanceOf: DataError, message: /train\.json is not JSON/ });
  await writeFile(path, '[1]');
  await t.throwsAsync(readConfig(path), { instanceOf: DataError, message: /train\.json: .* a JSON object/ });
  await writeFile(path, '{ "stepz": 10 }');
  await t.throwsAsync(readConfig(path), {
    instanceOf: DataError,
    message: `${path}: stepz must be absent (did you mean steps?); got 10.`,
  });
  await writeFile(path, '{ "data": "mnist", "steps": 10 }');
  t.deepEqual(await readConfig(path), { data: 'mnist', steps: 10 });
});
