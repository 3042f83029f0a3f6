import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import test from 'ava';
import type { Inspection } from '../../src/score/network/inspect.js';
import { main } from '../support/command-line.js';
import { fixture } from '../support/gaussian-image.js';

const inspect = (...args: string[]) => promisify(execFile)(process.execPath, [main, 'inspect', ...args]);

test('inspect prints one JSON object', async (t) => {
  const { stdout, stderr } = await inspect('models/mnist-vp.onnx', '--json');
  const inspection = JSON.parse(stdout) as Inspection;
  t.is(stderr, '');
  t.deepEqual(inspection.inputs[0], { name: 'x', type: 'float32', shape: ['N', 1, 28, 28] });
  t.is(inspection.metadata['fastsde.sde'], 'vp');
  t.true(inspection.operators['Conv']! > 10);
  t.is(inspection.model?.parameterization, 'eps');
  t.deepEqual(inspection.probe?.findings, []);
});

test('inspect takes what a file does not say from flags, and prints what the probe finds', async (t) => {
  const bare = await inspect(fixture('ddpm'));
  t.regex(bare.stdout, /timestep: int64\[\][^]*Problem[^]*--parameterization/);
  const flags = ['--sde', 'vp', '--labels', 'reversed-index', '--parameterization', 'eps'];
  t.regex(
    (await inspect(fixture('ddpm'), ...flags)).stdout,
    /error: The labels look wrong.*Give --labels 'index'/,
  );
});

test('inspect fails on a file that is no model', async (t) => {
  const failure = await t.throwsAsync(() => inspect('package.json'));
  t.is((failure as unknown as { code: number }).code, 1);
  t.regex((failure as unknown as { stderr: string }).stderr, /package\.json/);
});
