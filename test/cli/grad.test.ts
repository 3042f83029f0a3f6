import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import test from 'ava';

import { buildNetwork } from '../../src/networks/build.js';
import { readModel, writeModel } from '../../src/onnx/file/model.js';
import { fastsdeIn } from '../support/command-line.js';

const folder = await mkdtemp(join(tmpdir(), 'fastsde-grad-'));
const fastsde = fastsdeIn(folder);
await writeModel(
  buildNetwork({ kind: 'classifier', shape: [2], sde: 'vp', classes: 3, width: 8, depth: 1, embedding: 8 }),
  join(folder, 'classifier.onnx'),
);

test.after.always(() => rm(folder, { recursive: true }));

test('a classifier is differentiated, checked and written', async (t) => {
  const flags = ['--mode', 'grad', '--labels', 'y', '--output', 'gradient.onnx', '--check', '--json'];
  const { code, stdout, stderr } = await fastsde(['grad', 'classifier.onnx', ...flags]);
  t.is(code, 0, stderr);
  const { mode, outputs, checks } = JSON.parse(stdout) as {
    mode: string;
    outputs: string[];
    checks: object[];
  };
  t.deepEqual([mode, outputs, checks.length], ['grad', ['logits', 'log-probability', 'grad.x'], 3]);
  const { outputs: written } = await readModel(join(folder, 'gradient.onnx'));
  t.deepEqual(
    written.map(({ name }) => name),
    outputs,
  );
});

for (const [flags, message] of [
  [['--labels', 'y'], '--labels must be left out with --mode vjp; got "y".'],
  [['--mode', 'grad', '--reduce', 'dot'], '--reduce must be left out with --mode grad; got "dot".'],
  [
    ['--mode', 'train', '--loss', 'cross-entropy', '--wrt', 'x'],
    '--wrt must be left out with --mode train; got ["x"].',
  ],
] as const) {
  test(`a flag that the mode does not take is refused: ${flags.join(' ')}`, async (t) => {
    const { code, stderr } = await fastsde(['grad', 'classifier.onnx', ...flags]);
    t.is(code, 1);
    t.is(stderr, `error: ${message}\n`);
  });
}
