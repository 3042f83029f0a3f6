import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { fastsdeIn } from '../support/command-line.js';

const folder = await mkdtemp(join(tmpdir(), 'fastsde-grid-'));
const fastsde = fastsdeIn(folder);
const fixtures = new URL('../../../test/fixtures/models/', import.meta.url);
await copyFile(new URL('vp-eps.onnx', fixtures), join(folder, 'model.onnx'));
const kept = join(folder, 'model.onnx.grids.json');
const search = ['grid', 'model.onnx', '--evaluations', '4', '--json', '--quiet', '--no-probe'];

interface Found {
  readonly steps: number;
  readonly times: readonly number[];
  readonly file?: string;
}

const find = async (args: readonly string[] = search) => JSON.parse((await fastsde(args)).stdout) as Found;

test.after.always(() => rm(folder, { recursive: true }));

test.serial('a grid is kept beside the model, and taken from there', async (t) => {
  const found = await find();
  t.is(found.steps, 3);
  t.is(found.times.length, 4);
  t.is(found.file, 'model.onnx.grids.json');
  const [grid] = JSON.parse(await readFile(kept, 'utf8')) as [{ times: readonly number[] }];
  t.deepEqual(grid.times, found.times);
  await writeFile(kept, JSON.stringify([{ ...grid, times: [1, 0.5, 0.25, 0.125] }]));
  t.deepEqual((await find()).times, [1, 0.5, 0.25, 0.125]);
  const sampled = await fastsde([
    ...[
      'sample',
      'model.onnx',
      '--no-probe',
      '--solver',
      'ddim',
      '--steps',
      '3',
      '--grid',
      'auto',
      '--count',
      '1',
    ],
    ...['--output', 'x.npy', '--json', '--quiet'],
  ]);
  const { options } = JSON.parse(sampled.stdout) as { options: { grid: unknown } };
  t.deepEqual(options.grid, [1, 0.5, 0.25, 0.125]);
});

test.serial(
  'other options, another model of the name and a damaged file get a grid of their own',
  async (t) => {
    t.notDeepEqual((await find([...search, '--cost', 'l2'])).times, [1, 0.5, 0.25, 0.125]);
    await copyFile(new URL('vp-x0.onnx', fixtures), join(folder, 'model.onnx'));
    t.notDeepEqual((await find()).times, [1, 0.5, 0.25, 0.125]);
    await writeFile(kept, 'damaged');
    const { times } = await find();
    t.is(times.length, 4);
    const [grid] = JSON.parse(await readFile(kept, 'utf8')) as [object];
    for (const damaged of [times.slice(1), ['x', ...times.slice(1)], [...times].reverse()]) {
      await writeFile(kept, JSON.stringify([{ ...grid, times: damaged }]));
      t.deepEqual((await find()).times, times);
    }
  },
);

test.serial('who asked for a file and got none is told by the exit code', async (t) => {
  await mkdir(join(folder, 'kept'));
  await copyFile(new URL('vp-eps.onnx', fixtures), join(folder, 'kept', 'model.onnx'));
  // A folder is in the way, whoever runs this.
  await mkdir(join(folder, 'kept', 'model.onnx.grids.json'));
  await writeFile(join(folder, 'kept', 'model.onnx.grids.json', 'x'), '');
  const { code, stdout, stderr } = await fastsde(['grid', 'kept/model.onnx', '--steps', '3', '--no-probe']);
  t.is(code, 1);
  t.regex(stdout, /sigma \/ alpha/);
  t.regex(stderr, /not kept: .* cannot be written/);
});

test.serial('what cannot be meant is named', async (t) => {
  const refused = async (args: readonly string[], message: RegExp) => {
    const { code, stderr } = await fastsde(args);
    t.is(code, 1);
    t.regex(stderr, message);
  };
  await refused(['grid', 'model.onnx'], /--evaluations must be at least 2/);
  await refused(['grid', 'model.onnx', '--evaluations', '4', '--steps', '3'], /--steps must be left out/);
  await refused(['grid', 'model.onnx', '--evaluations', '100'], /--steps must be an integer from 1 to 60/);
  await refused(['sample', 'model.onnx', '--grid', 'auto', '--solver', 'rk45'], /--grid must be left out/);
});
