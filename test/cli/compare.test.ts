import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { ComparisonRow } from '../../src/evaluation/compare.js';
import { encodeNpy } from '../../src/io/npy.js';
import { fastsdeIn } from '../support/command-line.js';
import { fixture } from '../support/gaussian-image.js';

const folder = await mkdtemp(join(tmpdir(), 'fastsde-compare-'));
test.after.always(() => rm(folder, { recursive: true }));
const fastsde = fastsdeIn(folder);

const mixture = ['--mixture', 'mixture.json', '--count', '40'];

test.before(async () => {
  const spec = { weights: [0.4, 0.6], means: [[1, 0], [-1, 0.5]], covariances: [0.1, 0.2] }; // prettier-ignore
  await writeFile(join(folder, 'mixture.json'), JSON.stringify(spec));
  const points = Float32Array.from({ length: 60 }, (_, i) => Math.sin(i * i));
  await writeFile(join(folder, 'points.npy'), encodeNpy({ data: points, shape: [20, 3] }));
});

test('a comparison is a table on stdout, with what can be reached below a line', async (t) => {
  const { code, stdout, stderr } = await fastsde([
    'compare',
    ...mixture,
    ...['--samplers', 'heun,dpmpp-2m*', '--evaluations', '5,9', '--samplers', 'rk45:rtol=0.1,atol=0.1'],
    ...['--csv', 'table.csv', '--chart', 'chart.png'],
  ]);
  t.is(code, 0, stderr);
  const lines = stdout.trimEnd().split('\n');
  t.is(lines[0], '40 samples of each sampler; distances ± their standard errors');
  t.regex(
    lines[1]!,
    /^sampler +evaluations +steps +seconds +ode-rms +ode-wasserstein +law-wasserstein +law-frechet$/,
  );
  t.regex(lines[2]!, /^heun +5 +2 +[\d.e-]+ +[\d.]+ ± [\d.]+ /);
  t.regex(lines[6]!, /^dpmpp-2m-sde +5 +4 +[\d.e-]+ +- +[\d.]+ ± /);
  t.regex(lines[9]!, /^-+$/);
  t.deepEqual(
    lines.slice(2).map((line) => line.split(/ {2,}/)[0]!.replace(/^-+$/, '-')),
    [
      ...['heun', 'heun', 'dpmpp-2m', 'dpmpp-2m', 'dpmpp-2m-sde', 'dpmpp-2m-sde', 'rk45:rtol=0.1,atol=0.1'],
      ...['-', 'exact samples', 'fine ODE solution'],
    ],
  );
  t.regex(stderr, /^Comparing 9 sets\n/);
  t.regex(stderr, /\nheun: 9 evaluations, [\d.]+ s\n/);
  t.regex(stderr, /7 sets of 40 samples: chart\.png, table\.csv\n$/);
  const csv = (await readFile(join(folder, 'table.csv'), 'utf8')).split('\r\n');
  t.regex(
    csv[0]!,
    /^sampler,kind,budget,evaluations,steps,grid,order,seconds,deterministic,ode-rms,ode-rms-error/,
  );
  t.regex(csv[1]!, /^heun,sampler,5,5,2,karras,,[\d.e-]+,true,/);
  t.regex(csv[7]!, /^"rk45:rtol=0.1,atol=0.1",sampler,,/);
  t.is(csv.length, 1 + 7 + 2 + 1);
  t.is((await readFile(join(folder, 'chart.png'))).subarray(1, 4).toString(), 'PNG');
});

test('a folder keeps a comparison that was stopped, which then goes on to the same figures', async (t) => {
  const args = [
    ...['compare', ...mixture, '--count', '1500', '--samplers', 'rk4,ancestral', '--evaluations', '40,400'],
    ...['--distances', 'law-wasserstein', '--json'],
  ];
  const stopped = await fastsde([...args, '--output', 'kept/'], { signal: 'SIGINT', when: 'rk4: 37' });
  t.is(stopped.code, 130);
  t.regex(stopped.stderr, /Interrupted\. Sets that are complete stay in kept\/; the same command goes on/);
  const rest = await fastsde([...args, '--output', 'kept/']);
  t.is(rest.code, 0, rest.stderr);
  t.regex(rest.stderr, /[1-3] sets? of which were there already: kept\//);
  const whole = await fastsde(args);
  const figures = (text: string) =>
    (JSON.parse(text) as { rows: ComparisonRow[] }).rows.map(({ name, budget, distances }) => ({
      name,
      budget,
      distances,
    }));
  t.is(figures(whole.stdout).length, 4);
  t.deepEqual(figures(rest.stdout), figures(whole.stdout));
  const names = await readdir(join(folder, 'kept'));
  t.deepEqual(
    names.filter((name) => !name.endsWith('.npy')),
    ['comparison.csv', 'comparison.json', 'comparison.png'],
  );
  t.is(names.length, 7);
  const other = await fastsde([...args, '--output', 'kept/', '--seed', '3']);
  t.is(other.code, 1);
  t.regex(other.stderr, /of another comparison: seed is 0 there and 3 here/);
  for (const command of [
    ['train', '--data', 'swiss-roll'],
    ['sample', ...mixture],
  ]) {
    const { code, stderr } = await fastsde([...command, '--output', 'kept/']);
    t.is(code, 1);
    t.regex(stderr, /comparison\.json is the record of a comparison\. Choose another folder\./);
  }
});

test('samples that were changed are drawn anew, with a word', async (t) => {
  const args = ['compare', ...mixture, '--count', '40', '--samplers', 'ddim', '--evaluations', '4'];
  const run = [...args, '--distances', 'law-wasserstein', '--json', '--output', 'changed/'];
  const whole = await fastsde(run);
  t.is(whole.code, 0, whole.stderr);
  const [name] = (await readdir(join(folder, 'changed'))).filter((each) => each.endsWith('.npy'));
  const path = join(folder, 'changed', name!);
  const bytes = await readFile(path);
  await writeFile(
    path,
    bytes.map((byte, i) => (i === bytes.length - 2 ? byte ^ 1 : byte)),
  );
  const again = await fastsde(run);
  const { rows, found, warnings } = JSON.parse(again.stdout) as {
    rows: ComparisonRow[];
    found: number;
    warnings: string[];
  };
  t.is(found, 0);
  t.regex(warnings.join(), /changed.*\.npy is not as it was written: its samples are drawn anew/);
  t.deepEqual(rows[0]!.distances, (JSON.parse(whole.stdout) as { rows: ComparisonRow[] }).rows[0]!.distances);
  t.deepEqual(await readFile(path), bytes);
  t.is((JSON.parse((await fastsde(run)).stdout) as { found: number }).found, 1);
});

test('a grid that suits the model is found for each number of steps', async (t) => {
  const args = [
    'compare',
    fixture('vp-eps'),
    '--count',
    '4',
    '--evaluations',
    '4,6',
    '--distances',
    'ode-rms',
    '--json',
  ];
  const found = await fastsde([...args, '--samplers', 'ddim:grid=auto,ddim', '--no-probe']);
  t.is(found.code, 0, found.stderr);
  const { rows } = JSON.parse(found.stdout) as { rows: ComparisonRow[] };
  const [few, more, plain] = rows;
  t.like(few, { name: 'ddim:grid=auto', budget: 4, evaluations: 4 });
  t.is((few!.options['grid'] as number[]).length, 4);
  t.is((more!.options['grid'] as number[]).length, 6);
  t.is(plain!.options['grid'], 'uniform-lambda');
});

test('the model file and the data are part of what a folder is of', async (t) => {
  const model = fixture('vp-eps');
  const pixels = Uint8Array.from({ length: 12 * 64 }, (_, i) => 128 + 90 * Math.sin(i * i));
  await writeFile(join(folder, 'pixels.npy'), encodeNpy({ data: pixels, shape: [12, 1, 8, 8] }));
  const args = ['compare', model, '--count', '6', '--samplers', 'ddim', '--evaluations', '4', '--quiet'];
  const first = await fastsde([...args, '--data', 'pixels.npy', '--output', 'network/', '--json']);
  t.is(first.code, 0, first.stderr);
  const { rows, options } = JSON.parse(first.stdout) as { rows: ComparisonRow[]; options: object };
  t.like(options, { data: 'pixels.npy', features: 'raw', tolerance: 1e-5, output: 'network/' });
  t.deepEqual(Object.keys(rows[0]!.distances), ['ode-rms', 'ode-wasserstein', 'frechet', 'kernel']);
  const second = await fastsde([...args, '--output', 'network/']);
  t.is(second.code, 1);
  t.regex(second.stderr, /origin\.data is "pixels\.npy" there and absent here/);
});

test('nonsense is named by its flag', async (t) => {
  for (const [flags, message] of [
    [['--samplers', 'unipcc'], /--samplers must be one of .* \(did you mean unipc\?\)/],
    [['--samplers', 'rk4', '--evaluations', '4'], /samplers\[rk4\]\.evaluations must be at least 5/],
    [['--evaluations', 'ten'], /'--evaluations <list>' argument 'ten' is invalid. Expected a number/],
    [['--data', 'points.npy'], /--data must be left out with --mixture/],
    [['--features', 'raw'], /--features must be left out without --data/],
    [['--distances', 'kernel'], /--distances must be one for which there are data/],
    [['--chart', 'absent/chart.png'], /its folder does not exist/],
  ] as const) {
    const { code, stderr } = await fastsde(['compare', ...mixture, ...flags]);
    t.is(code, 1, flags.join(' '));
    t.regex(stderr, message);
  }
  const shape = await fastsde(['compare', fixture('vp-eps'), '--data', 'points.npy', '--quiet']);
  t.regex(shape.stderr, /--data must be data of the shape \[1, 8, 8\] of the model; these have \[3\]/);
});
