// The same numbers as torch-fidelity, clean-fid and prdc give: scripts/evaluation/fixtures.py.
import { readFile } from 'node:fs/promises';
import test from 'ava';
import { featuresOf } from '../../src/evaluation/features.js';
import { frechetDistance } from '../../src/evaluation/frechet.js';
import { inceptionScore } from '../../src/evaluation/inception-score.js';
import { kernelDistance } from '../../src/evaluation/kernel.js';
import { manifoldMetrics } from '../../src/evaluation/manifold.js';
import { resizePictures, resizeRuleNames } from '../../src/evaluation/resize.js';
import { congruential } from '../support/features.js';

interface Fixture {
  readonly frechet: { readonly torchFidelity: number; readonly cleanFid: number };
  readonly kernel: number;
  readonly inceptionScore: number;
  readonly precision: number;
  readonly recall: number;
  readonly density: number;
  readonly coverage: number;
  readonly pictures: Readonly<
    Record<
      string,
      {
        readonly from: [number, number];
        readonly to: [number, number];
        readonly tf1: number[];
        readonly clean: number[];
        readonly pytorch: number[];
      }
    >
  >;
}

const published = JSON.parse(await readFile('test/fixtures/evaluation.json', 'utf8')) as Fixture;

const generated = featuresOf(
  congruential(120 * 6, 1).map((x) => x * 1.25 + 0.125),
  6,
);
const numbers = congruential(150 * 6, 2);
const reference = featuresOf(numbers, 6);

test('the Frechet distance is that of torch-fidelity and clean-fid', async (t) => {
  const { value } = await frechetDistance(generated, reference);
  for (const other of Object.values(published.frechet)) t.true(Math.abs(value - other) < 1e-6 * other);
});

test('the kernel distance is that of torch-fidelity over all pairs', async (t) => {
  const { value } = await kernelDistance(generated, featuresOf(numbers.subarray(0, 120 * 6), 6));
  t.true(Math.abs(value - published.kernel) < 1e-6 * published.kernel);
});

test('the inception score is that of torch-fidelity without splits', async (t) => {
  const { value } = await inceptionScore(
    featuresOf(
      congruential(500, 3).map((x) => 2 * x),
      5,
    ),
  );
  t.true(Math.abs(value - published.inceptionScore) < 1e-6);
});

test('precision and recall are those of torch-fidelity, density and coverage those of prdc', async (t) => {
  const { precision, recall, density, coverage } = await manifoldMetrics(generated, reference);
  for (const [name, { value }] of Object.entries({ precision, recall, density, coverage }))
    t.true(Math.abs(value - published[name as 'precision']) < 1e-6, name);
});

for (const [name, { from, to, ...results }] of Object.entries(published.pictures))
  for (const rule of resizeRuleNames)
    test(`the ${rule} rule scales ${name} as its library does`, (t) => {
      const bytes = congruential(from[0] * from[1], 4).map((x) => Math.round((x + 1) * 127.5));
      const scaled = resizePictures(bytes, from, to, rule);
      t.is(scaled.length, results[rule].length);
      scaled.forEach((value, k) => t.true(Math.abs(value - results[rule][k]!) < 1e-3, `pixel ${k}`));
    });
