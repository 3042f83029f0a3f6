import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { DataError, OptionError } from '../../src/errors.js';
import { compare, type ComparisonRow } from '../../src/evaluation/compare.js';
import type { CompareOptions } from '../../src/evaluation/comparison-job.js';
import { comparisonCharts } from '../../src/evaluation/comparison-files.js';
import { slicedDistance, type DistanceName } from '../../src/evaluation/distances.js';
import { featuresOf } from '../../src/evaluation/features.js';
import { ladderSde } from '../../src/sde/ladder-sde.js';
import { ddpmLadder, linearBetas } from '../../src/sde/ladder.js';
import { GaussianMixture } from '../../src/score/mixture/mixture.js';
import { mixtureModel } from '../../src/score/mixture/model.js';
import { vp } from '../../src/sde/vp.js';
import { gaussianModel } from '../support/gaussian.js';
import { planar } from '../support/planar-mixture.js';

const model = mixtureModel(planar, vp());

/** Three components that hardly overlap. */
const apart = new GaussianMixture({
  weights: [0.5, 0.3, 0.2],
  means: [
    [1, 0.5],
    [-0.8, 0.6],
    [0.2, -1.1],
  ],
  covariances: [0.05, 0.08, 0.04],
});

const common = { law: planar, count: 600, tolerance: 1e-5 } satisfies CompareOptions;

async function temporaryFolder(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'fastsde-compare-'));
  t.teardown(() => rm(folder, { recursive: true }));
  return folder;
}

/** How many standard errors a distance lies above that of a reference. */
function above(row: ComparisonRow, floor: ComparisonRow, name: DistanceName): number {
  const [a, b] = [row.distances[name]!, floor.distances[name]!];
  return (a.value - b.value) / Math.hypot(a.standardError!, b.standardError!);
}

test('a good sampler is at the floor of exact samples, a rough one above it', async (t) => {
  const { rows, references, distances } = await compare(mixtureModel(apart, vp()), {
    ...common,
    law: apart,
    count: 1000,
    samplers: ['euler', 'dpmpp-2m', 'ancestral'],
    evaluations: [5, 100],
  });
  t.deepEqual(distances, ['ode-rms', 'ode-wasserstein', 'law-wasserstein', 'law-frechet']);
  const exact = references.find(({ kind }) => kind === 'exact')!;
  const ode = references.find(({ kind }) => kind === 'ode')!;
  for (const row of rows)
    for (const [name, floor] of [
      ['law-wasserstein', exact],
      ['law-frechet', exact],
      ['ode-wasserstein', ode],
    ] as const) {
      const errors = above(row, floor, name);
      const where = `${row.name} at ${row.budget!}: ${name} ${errors}`;
      if (row.budget === 100) t.true(Math.abs(errors) < 3, where);
      else if (name !== 'law-frechet') t.true(errors > 3, where);
    }
  // Floors are those of independent samples, which are apart.
  const independent = await slicedDistance(
    ...([7n, 8n].map((seed) => Float32Array.from(apart.sample(1000, { seed }))) as [
      Float32Array,
      Float32Array,
    ]),
    ...([2, 0n, undefined] as const),
  );
  for (const floor of [exact.distances['law-wasserstein']!, ode.distances['ode-wasserstein']!]) {
    t.true(floor.value > 0);
    const error = Math.hypot(floor.standardError!, independent.standardError!);
    t.true(Math.abs(floor.value - independent.value) < 3 * error);
  }
  // The solution of the ODE has the exact law.
  t.true(Math.abs(above(ode, exact, 'law-wasserstein')) < 3);
  t.true(Math.abs(above(ode, exact, 'law-frechet')) < 3);
});

test('the distance of exact samples to their law is what it is in closed form', async (t) => {
  const { references } = await compare(model, {
    ...common,
    count: 4000,
    samplers: ['ddim:steps=1'],
    distances: ['law-frechet'],
  });
  const { value } = references[0]!.distances['law-frechet']!;
  // tr(C) / n and the spread of a covariance, for normal data: see docs/evaluation.md. It is a few times 1e-4 here.
  const [a, , , d] = planar.covariance();
  t.true(value < (8 * (a! + d!)) / 4000, String(value));
});

test('the order of a method is seen in its distance to the fine solution, point by point', async (t) => {
  const steps = [40, 80, 160];
  const { rows } = await compare(model, {
    ...common,
    tolerance: 1e-7,
    count: 100,
    distances: ['ode-rms'],
    samplers: [
      ...steps.map(
        (n) => ({ label: `heun ${n}`, solver: 'heun', steps: n, grid: 'uniform-lambda' }) as const,
      ),
      ...steps.map(
        (n) => ({ label: `ddim ${n}`, solver: 'ddim', steps: n, grid: 'uniform-lambda' }) as const,
      ),
    ],
  });
  const error = (name: string) => rows.find((row) => row.name === name)!.distances['ode-rms']!.value;
  for (const [method, order] of [
    ['heun', 2],
    ['ddim', 1],
  ] as const) {
    const found = Math.log2(error(`${method} 80`) / error(`${method} 160`));
    t.true(Math.abs(found - order) < 0.25, `${method}: ${found}`);
  }
});

test('rows say what was drawn and what it cost', async (t) => {
  const { rows, count, found } = await compare(model, {
    ...common,
    count: 50,
    samplers: ['heun,unipc:order=2,grid=karras', 'predictor-corrector:snr=0.1', 'rk45:rtol=1e-2,atol=1e-2'],
    evaluations: [20, 7, 8],
  });
  t.deepEqual([count, found], [50, 0]);
  t.deepEqual(
    rows.map(({ name, budget, evaluations, options }) => [name, budget, evaluations, options['steps']]),
    [
      ['heun', 7, 7, 3],
      // 8 evaluations pay for no more steps than 7.
      ['heun', 20, 19, 9],
      ['unipc:order=2,grid=karras', 7, 7, 6],
      ['unipc:order=2,grid=karras', 8, 8, 7],
      ['unipc:order=2,grid=karras', 20, 20, 19],
      ['predictor-corrector:snr=0.1', 7, 7, 3],
      ['predictor-corrector:snr=0.1', 20, 19, 9],
      ['rk45:rtol=1e-2,atol=1e-2', undefined, rows[7]!.evaluations, undefined],
    ],
  );
  t.like(rows[2]!.options, { order: 2, grid: 'karras' });
  for (const { deterministic, distances, name, seconds } of rows) {
    t.is(deterministic, !name.startsWith('predictor-corrector'), name);
    t.is('ode-rms' in distances, deterministic === true);
    t.true(seconds! > 0);
    for (const distance of Object.values(distances)) t.true(distance.standardError! > 0);
  }
});

test('rows come one by one, references first', async (t) => {
  const names: string[] = [];
  const progress: number[] = [];
  const comparing = compare(model, {
    ...common,
    count: 20,
    samplers: ['ddim', 'heun'],
    evaluations: [5],
    onProgress: ({ fraction }) => progress.push(fraction),
  });
  for await (const { name } of comparing) names.push(name);
  t.deepEqual(names, ['exact samples', 'fine ODE solution', 'ddim', 'heun']);
  t.deepEqual(
    progress,
    [...progress].sort((a, b) => a - b),
  );
  t.true(Math.abs(progress.at(-1)! - 1) < 1e-9);
});

test('data are compared by their features, and held-out data show what could be reached', async (t) => {
  const points = (first: number, count: number) =>
    featuresOf(Float32Array.from(planar.sample(count, { seed: 5n, first })), 2);
  const { rows, references } = await compare(model, {
    count: 500,
    samplers: ['euler', 'dpmpp-2m'],
    evaluations: [4, 60],
    distances: ['frechet', 'kernel'],
    data: { features: points(0, 3000), heldOut: points(5000, 700) },
  });
  const [heldOut] = references;
  t.like(heldOut, { kind: 'held-out', options: { count: 500 } });
  for (const row of rows) {
    const errors = above(row, heldOut!, 'kernel');
    if (row.budget === 60) t.true(Math.abs(errors) < 3, `${row.name}: ${errors}`);
  }
  t.true(
    above(
      rows.find(({ name, budget }) => name === 'dpmpp-2m' && budget === 4)!,
      heldOut!,
      'frechet',
    ) > 3,
  );
});

test('a comparison that was stopped goes on, draws nothing twice and has the same figures', async (t) => {
  const folder = join(await temporaryFolder(t), 'kept');
  const given = { ...common, count: 60, samplers: ['heun', 'dpmpp-2m-sde'], evaluations: [6, 9], folder };
  const whole = await compare(model, { ...given, folder: undefined });
  const stop = new AbortController();
  const stopping = compare(model, { ...given, signal: stop.signal });
  await t.throwsAsync(
    async () => {
      for await (const { name } of stopping) if (name === 'heun') stop.abort(new Error('enough'));
    },
    { message: 'enough' },
  );
  const kept = (await readdir(folder)).filter((name) => name.endsWith('.npy'));
  t.true(kept.length >= 3 && kept.length < 6, kept.join());
  t.false((await readdir(folder)).some((name) => name.endsWith('.lock')));

  let drawn = 0;
  const seen = new Set<string>();
  const rest = await compare(model, {
    ...given,
    onProgress: ({ name, sets }) => {
      seen.add(name);
      drawn = sets;
    },
  });
  const figures = ({ rows, references }: typeof whole) =>
    [...references, ...rows].map(({ name, budget, distances }) => ({ name, budget, distances }));
  t.deepEqual(figures(rest), figures(whole));
  t.is(rest.found, kept.length);
  t.is(drawn, 6 - kept.length);
  t.is(seen.size, drawn);

  // Samplers may be added, and what was computed stays.
  const record = await readFile(join(folder, 'comparison.json'), 'utf8');
  const again = await compare(model, given);
  t.deepEqual([figures(again), again.found], [figures(whole), 6]);
  t.is(await readFile(join(folder, 'comparison.json'), 'utf8'), record);
  const more = await compare(model, { ...given, samplers: ['heun', 'ddim'] });
  t.is(more.found, 4);
  t.deepEqual(figures(more).slice(0, 4), figures(whole).slice(0, 4));
});

test('a damaged file of samples is drawn again, and another comparison is refused', async (t) => {
  const folder = await temporaryFolder(t);
  const given = { ...common, count: 30, samplers: ['ddim'], evaluations: [5], folder };
  const first = await compare(model, { ...given, distances: ['law-frechet'] });
  for (const name of await readdir(folder))
    if (name.endsWith('.npy')) await writeFile(join(folder, name), 'broken');
  const second = await compare(model, { ...given, distances: ['law-frechet', 'law-wasserstein'] });
  t.deepEqual(second.rows[0]!.distances['law-frechet'], first.rows[0]!.distances['law-frechet']);
  t.true(second.rows[0]!.distances['law-wasserstein']!.value > 0);
  const other = async () => compare(model, { ...given, seed: 1 });
  const error = await t.throwsAsync(other, { instanceOf: DataError });
  t.regex(error.message, /seed is 0 there and 1 here/);
  await writeFile(join(folder, 'comparison.json'), '{"format":"fastsde comparison 1","run":{},"sets":[{}]}');
  await t.throwsAsync(async () => compare(model, given), { message: /is damaged/ });
});

const ladder = ddpmLadder(linearBetas(100));
const discrete = gaussianModel(ladderSde(ladder, vp()), { change: { ladder } });

test('a ladder is walked with what evaluations pay for, and has an ODE', async (t) => {
  const data = {
    features: featuresOf(
      new Float32Array(200).map((_, i) => Math.sin(i * i)),
      2,
    ),
  };
  const { rows, references } = await compare(discrete, {
    ...{ samplers: ['ddim', 'ancestral'], evaluations: [10, 100, 200], count: 20, data },
  });
  t.deepEqual(
    rows.map(({ name, evaluations }) => [name, evaluations]),
    [
      ['ddim', 10],
      ['ddim', 100],
      ['ancestral', 10],
      ['ancestral', 100],
    ],
  );
  t.is(references.length, 1);
});

test('methods that a pattern matches and the model does not allow are left out, with a warning', async (t) => {
  const data = {
    features: featuresOf(
      new Float32Array(200).map((_, i) => Math.sin(i * i)),
      2,
    ),
  };
  const { rows, warnings } = await compare(discrete, {
    ...{ samplers: ['an*'], evaluations: [5], count: 8, data, distances: ['kernel'] },
  });
  t.deepEqual([...new Set(rows.map(({ name }) => name))], ['ancestral']);
  t.true(warnings.some((warning) => /^annealed-langevin is left out of an\*: .*alpha is 1/.test(warning)));
});

test('charts have each distance over evaluations and over seconds, with what can be reached', async (t) => {
  const comparison = await compare(model, {
    ...common,
    count: 20,
    samplers: ['ddim', 'ancestral'],
    evaluations: [5, 9],
  });
  const { charts } = comparisonCharts(comparison);
  t.is(charts.length, 8);
  t.deepEqual(
    charts[0]!.curves.map(({ label, x }) => [label, Array.from(x)]),
    [
      ['ddim', [5, 9]],
      ['ancestral', []],
    ],
  );
  t.is(charts[1]!.label, 'seconds for 20 samples');
  t.deepEqual(
    charts[4]!.marks!.map(({ label }) => label),
    ['exact samples', 'fine ODE solution'],
  );
});

test('nonsense is named', (t) => {
  const refused: [CompareOptions, string, RegExp][] = [
    [{ samplers: ['unipcc'] }, 'samplers', /did you mean unipc\?/],
    [{ samplers: ['foo*'] }, 'samplers', /a pattern that matches one of/],
    [{ samplers: ['none'] }, 'samplers', /one of euler-maruyama/],
    [{ samplers: ['heun', 'heun'] }, 'samplers', /given once/],
    [{ samplers: ['unipc,unipc:order=3'] }, 'samplers', /another sampler than unipc, which is the same/],
    [{ samplers: ['heu*', 'heun'] }, 'samplers', /given once/],
    [{ samplers: ['unipc:ordr=2'] }, 'samplers[unipc:ordr=2].solver.ordr', /unipc takes order, variant/],
    [{ samplers: ['unipc:order=9'] }, 'samplers[unipc:order=9].order', /from 1 to 3/],
    [{ samplers: ['dpmpp-*:ordr=9'] }, 'samplers[dpmpp-3m-sde:ordr=9].solver.ordr', /takes eta/],
    [{ samplers: ['heun:grid=karas'] }, 'samplers[heun:grid=karas].grid', /did you mean karras/],
    [{ samplers: ['heun:=2'] }, 'samplers', /names with commas/],
    [{ samplers: ['order=2'] }, 'samplers', /names with commas/],
    [{ samplers: ['unipc:order=2,order=3'] }, 'samplers', /given once/],
    [{ samplers: [''] }, 'samplers', /one of/],
    [{ samplers: [] }, 'samplers', /at least one sampler/],
    [{ samplers: 'heun' as never }, 'samplers', /a list/],
    [{ samplers: [{ solver: 'heun' }] as never }, 'samplers', /with a label/],
    [
      { samplers: [{ label: 'a', solver: 'heun', stepz: 3 }] as never },
      'samplers[a].stepz',
      /did you mean steps/,
    ],
    [
      { evaluations: [4], samplers: ['rk4'] },
      'samplers[rk4].evaluations',
      /at least 5, which this sampler takes/,
    ],
    [{ evaluations: [10, 10] }, 'evaluations', /different numbers/],
    [{ evaluations: [2.5] }, 'evaluations', /an integer/],
    [{ evaluations: [] }, 'evaluations', /at least one/],
    [{ evaluations: 'ten' as never }, 'evaluations', /a list/],
    [{ count: 2 }, 'count', /of at least 4/],
    [{ distances: ['frechet'] }, 'distances', /there are data/],
    [{ distances: ['law-frechet'] }, 'distances', /an exact law/],
    [{ distances: ['rms' as never] }, 'distances', /one of ode-rms/],
    [{ tolerance: 0 }, 'tolerance', /above 0/],
    [{ classLabel: 1 }, 'classLabel', /class/],
    [{ cout: 3 } as never, 'cout', /did you mean count/],
  ];
  for (const [options, option, message] of refused) {
    const error = t.throws(() => compare(model, options), { instanceOf: OptionError }, option);
    t.is(error.option, option);
    t.regex(error.message, message);
  }
  const wide = { features: featuresOf(new Float32Array(30), 3) };
  t.throws(() => compare(model, { data: wide }), { instanceOf: DataError, message: /3 numbers each/ });
});
