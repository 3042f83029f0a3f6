import { GaussianMixture } from '../../src/score/mixture/mixture.js';

/** L L^T for a lower-triangular 2 x 2 factor. */
const product = (a: number, b: number, c: number) => [
  [a * a, a * b],
  [a * b, b * b + c * c],
];

/** Three overlapping components in the plane, with full covariances. */
export const planar: GaussianMixture = new GaussianMixture({
  weights: [0.5, 0.3, 0.2],
  means: [
    [1, 0.5],
    [-0.8, 0.6],
    [0.2, -1.1],
  ],
  covariances: [product(0.3, 0.1, 0.25), product(0.2, -0.05, 0.35), product(0.25, 0, 0.15)],
});
