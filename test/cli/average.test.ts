import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { parameterNames, parameterValues } from '../../src/autodiff/parameters.js';
import { readModel } from '../../src/onnx/file/model.js';
import { decodeSafetensors } from '../../src/io/safetensors.js';
import { fastsdeIn } from '../support/command-line.js';

const folder = await mkdtemp(join(tmpdir(), 'fastsde-average-'));
const fastsde = fastsdeIn(folder);
test.after.always(() => rm(folder, { recursive: true }));

const quick = ['--data', 'two-moons', '--batch', '32', '--workers', '1', '--sample-count', '20', '--quiet'];
const columnsOf = async (path: string): Promise<number[][]> => {
  const [, ...rows] = (await readFile(join(folder, path), 'utf8')).trim().split('\r\n');
  return rows.map((row) => row.split(',').map(Number));
};

test('a run with snapshots gives networks of any width, and a chart of their losses', async (t) => {
  const trained = await fastsde([
    'train',
    ...quick,
    '--steps',
    '40',
    '--snapshot-every',
    '4',
    '--output',
    'run',
  ]);
  t.is(trained.code, 0, trained.stderr);
  t.is((await readdir(join(folder, 'run', 'snapshots'))).length, 10);

  const one = await fastsde(['average', 'run', '--sigma-rel', '0.1', '--output', 'one.onnx', '--json']);
  t.is(one.code, 0, one.stderr);
  const report = JSON.parse(one.stdout) as { averages: { sigmaRel: number; error: number; loss?: number }[] };
  t.is(report.averages[0]!.loss, undefined);
  t.true(report.averages[0]!.error < 1e-6);
  const model = await readModel(join(folder, 'one.onnx'));
  const bytes = await readFile(join(folder, 'run', 'snapshots', 'step-00000040.safetensors'));
  const { tensors } = decodeSafetensors(bytes);
  for (const [name, values] of parameterValues(model, parameterNames(model, 'all'))) {
    const kept = tensors.get(`0.1.${name}`)!.data;
    t.true(
      values.every((value, i) => Math.abs(value - kept[i]!) <= 1e-5 * (1 + Math.abs(kept[i]!))),
      name,
    );
  }

  const several = ['average', 'run', '--sigma-rel', '0.01,0.1,0.2', '--output', 'best.onnx'];
  const swept = await fastsde(several);
  t.is(swept.code, 0, swept.stderr);
  t.regex(
    swept.stdout,
    /^sigma_rel {3}held-out loss {3}error of its profile\n0\.01 +[\d.]+ +[\d.]+ %\n0\.1 /,
  );
  t.regex(swept.stderr, /warning: The 10 snapshots up to step 40 describe sigma_rel 0\.01 to \d+ %/);
  const rows = await columnsOf('run/averages.csv');
  t.deepEqual(
    rows.map(([width]) => width),
    [0.01, 0.1, 0.2],
  );
  // The rate falls to 0 and the loss with the steps, so that of these the average of the last steps is best.
  t.true(rows[1]![1]! < rows[2]![1]!);
  const least = rows.toSorted((a, b) => a[1]! - b[1]!)[0]![0];
  const { metadata } = await readModel(join(folder, 'best.onnx'));
  t.deepEqual(JSON.parse(metadata.get('fastsde.training.ema')!), {
    kind: 'power-function',
    deviation: least,
  });
  t.true((await readdir(join(folder, 'run'))).includes('averages.png'));

  const sampled = await fastsde(['sample', 'best.onnx', '--count', '4', '--steps', '3', '--output', 'x.npy']);
  t.is(sampled.code, 0, sampled.stderr);
});

test('what there is to average is said where it is missing', async (t) => {
  const trained = await fastsde(['train', ...quick, '--steps', '2', '--hold-out', '0', '--output', 'bare']);
  t.is(trained.code, 0, trained.stderr);
  for (const [args, message] of [
    [
      ['bare', '--sigma-rel', '0.1', '--output', 'x.onnx'],
      /bare\/snapshots: there is no such file or folder/,
    ],
    [['bare'], /held out no data/],
    [['bare', '--sigma-rel', '0.1'], /--output .*given for one width/],
    [['bare', '--sigma-rel', '0.3', '--output', 'x.onnx'], /--sigma-rel .*0\.288/],
    [['absent', '--sigma-rel', '0.1', '--output', 'x.onnx'], /absent\/model\.onnx/],
  ] as const) {
    const { code, stderr } = await fastsde(['average', ...args]);
    t.is(code, 1);
    t.regex(stderr, message);
  }
});
