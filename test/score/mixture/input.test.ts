import test from 'ava';
import { OptionError } from '../../../src/errors.js';
import type { MixtureSpec } from '../../../src/score/mixture/spec.js';
import { GaussianMixture } from '../../../src/score/mixture/mixture.js';

const valid = {
  weights: [0.5, 0.5],
  means: [
    [0, 1],
    [1, 0],
  ],
  covariances: [
    [
      [1, 0.2],
      [0.2, 1],
    ],
    [
      [0.5, 0],
      [0, 0.5],
    ],
  ],
};

test('a mixture is read from JSON, with every form of a covariance', (t) => {
  const mixture = GaussianMixture.fromJson(JSON.parse(JSON.stringify(valid)) as unknown);
  t.is(mixture.dimension, 2);
  t.deepEqual(mixture.mean(), Float64Array.of(0.5, 0.5));
  const forms = { ...valid, covariances: [0.3, { factor: [[1], [2]], scalar: 0.1 }] };
  t.true(GaussianMixture.fromJson(forms).logDensity(Float64Array.of(0, 0))[0]! < 0);
  // Weights that were printed with few digits are made to sum to 1.
  const weights = GaussianMixture.fromJson({ ...valid, weights: [0.3333333, 0.6666666] }).weights;
  t.true(Math.abs(weights[0]! + weights[1]! - 1) <= 1e-15);
});

const refused: [string, unknown, string, RegExp][] = [
  ['no object', [1], 'mixture', /an object with weights/],
  ['missing weights', { means: [], covariances: [] }, 'weights', /got nothing/],
  ['a misspelt key', { ...valid, covariance: [] }, 'covariance', /covariances/],
  ['weights that do not sum to 1', { ...valid, weights: [0.5, 0.6] }, 'weights', /sum 1, not 1.1/],
  ['a negative weight', { ...valid, weights: [-0.5, 1.5] }, 'weights[0]', /positive/],
  ['a weight that is no number', { ...valid, weights: ['0.5', 0.5] }, 'weights[0]', /finite number/],
  ['too few means', { ...valid, means: [[0, 1]] }, 'means', /2 vectors/],
  ['means of two lengths', { ...valid, means: [[0, 1], [1]] }, 'means[1]', /2 numbers/],
  [
    'a mean that is not finite',
    {
      ...valid,
      means: [
        [0, 1],
        [1, null],
      ],
    },
    'means[1][1]',
    /finite/,
  ],
  ['too few covariances', { ...valid, covariances: [1] }, 'covariances', /array of 2/],
  ['a covariance of another size', { ...valid, covariances: [1, [[1]]] }, 'covariances[1]', /2 rows/],
  ['a ragged covariance', { ...valid, covariances: [1, [[1, 0], [1]]] }, 'covariances[1][1]', /2 numbers/],
  [
    'an asymmetric covariance',
    {
      ...valid,
      covariances: [
        1,
        [
          [1, 0],
          [0.1, 1],
        ],
      ],
    },
    'covariances[1][1][0]',
    /equal to covariances\[1\]\[0\]\[1\]/,
  ],
  [
    'an indefinite covariance',
    {
      ...valid,
      covariances: [
        [
          [1, 2],
          [2, 1],
        ],
        1,
      ],
    },
    'covariances[0]',
    /positive definite/,
  ],
  [
    'a covariance that is nearer to singular than its eigenvalues are known',
    {
      ...valid,
      covariances: [
        [
          [1, 1],
          [1, 1 + 1e-13],
        ],
        1,
      ],
    },
    'covariances[0]',
    /largest.*the ratio 2\.[0-9]e-14/,
  ],
  ['a negative variance', { ...valid, covariances: [[1, -1], 1] }, 'covariances[0][1]', /above 0/],
  [
    'a factor of the wrong size',
    { ...valid, covariances: [1, { factor: [[1]], scalar: 1 }] },
    'covariances[1].factor',
    /2 rows/,
  ],
  [
    'a factor without scalar',
    { ...valid, covariances: [1, { factor: [[1], [2]] }] },
    'covariances[1].scalar',
    /above 0/,
  ],
  [
    'a covariance of no form',
    { ...valid, covariances: [1, 'diag'] },
    'covariances[1]',
    /a number, 2 variances/,
  ],
];

for (const [name, value, option, message] of refused) {
  test(`${name} is refused with its path`, (t) => {
    const error = t.throws(() => GaussianMixture.fromJson(value), { instanceOf: OptionError, message });
    t.is(error.option, option);
  });
}

test('arguments of the wrong length are refused', (t) => {
  const mixture = GaussianMixture.fromJson(valid);
  t.throws(() => mixture.score(new Float64Array(3)), { instanceOf: OptionError, message: /points of 2/ });
  t.throws(() => mixture.jvp(new Float64Array(2), new Float64Array(4)), { instanceOf: OptionError });
  t.throws(() => mixture.component(2), { instanceOf: OptionError, message: /from 0 to 1/ });
  t.throws(() => mixture.classScore(new Float64Array(2), 5), { instanceOf: OptionError });
});

test('small variances are taken where they are known: on the axes, beside a factor, and in a well-conditioned matrix', (t) => {
  const [v, x] = [1e-15, Float64Array.of(0, 0)];
  const law = (spec: MixtureSpec['covariances'][0]) =>
    new GaussianMixture({ weights: [1], means: [[0, 0]], covariances: [spec] }).logDensity(x)[0]!;
  const determinant = (value: number) => -Math.log(2 * Math.PI) - 0.5 * Math.log(value);
  t.true(Math.abs(law([1, v]) - determinant(v)) < 1e-12);
  // Eigenvalues 1 + v along (0.6, 0.8) and v across.
  t.true(Math.abs(law({ factor: [[0.6], [0.8]], scalar: v }) - determinant(v * (1 + v))) < 1e-12);
  // Eigenvalues 1 and 1e-8 of a rotated matrix, as exact as double precision has them.
  const w = 1e-8;
  const turned = [
    [0.36 + 0.64 * w, 0.48 * (1 - w)],
    [0.48 * (1 - w), 0.64 + 0.36 * w],
  ];
  t.true(Math.abs(law(turned) - determinant(w)) < 1e-7);
});
