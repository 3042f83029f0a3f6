import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import test from 'ava';
import type { Inspection } from '../../src/score/network/inspect.js';
import { main } from '../support/command-line.js';
import { fixture } from '../support/gaussian-image.js';

const inspect = (...args: string[]) => promisify(execFile)(process.execPath, [main, 'inspect', ...args]);

/** What it prints where it ends with the exit code 1. */
async function fails(...args: string[]): Promise<{ stdout: string; stderr: string }> {
  try {
    await inspect(...args);
  } catch (error) {
    const outcome = error as { code: number; stdout: string; stderr: string };
    if (outcome.code === 1) return outcome;
  }
  throw new Error('inspect did not end with the exit code 1');
}

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
  const bare = await fails(fixture('ddpm'));
  t.regex(bare.stdout, /timestep: int64\[\]/);
  t.regex(bare.stderr, /^error: It does not say what it is .*--parameterization/);
  const flags = ['--sde', 'vp', '--labels', 'reversed-index', '--parameterization', 'eps'];
  const probed = await fails(fixture('ddpm'), ...flags);
  t.regex(probed.stdout, /Probe\n {2}error: The labels look wrong.*Give --labels 'index'/);
  t.regex(probed.stderr, /^error: The labels look wrong/);
});

test('inspect fails on a file that is no model', async (t) => {
  t.regex((await fails('package.json')).stderr, /package\.json/);
});
