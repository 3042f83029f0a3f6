import test from 'ava';
import { GaussianMixture } from '../../../src/score/mixture/mixture.js';

// ln p of one Gaussian has a logarithm of its variance, and the posterior of two has exponentials of what x is: with those of
// JavaScript, which are within 1 unit in the last place too, the addon's agree to a few.
const close = (a: number, b: number) => Math.abs(a - b) <= 8 * Number.EPSILON * Math.max(1, Math.abs(b));

test('logarithms of the addon are those of JavaScript over the whole range', (t) => {
  for (let exponent = -300; exponent <= 300; exponent += 7) {
    for (const mantissa of [1, 1.0000001, 1.37, 1.4142, 1.4143, 1.9999]) {
      const variance = mantissa * 10 ** exponent;
      const normal = new GaussianMixture({ weights: [1], means: [[0]], covariances: [variance] });
      const [density] = normal.logDensity(Float64Array.of(0));
      const expected = -0.5 * (Math.log(2 * Math.PI) + Math.log(variance));
      t.true(close(density!, expected), `${variance}: ${density} against ${expected}`);
    }
  }
});

test('exponentials of the addon are those of JavaScript down to the smallest number', (t) => {
  // Two components of variance 1 at 0 and c: p(2 | x = 0) = e / (1 + e) with e = exp(-c^2 / 2).
  for (let power = 0; power < 745; power += 0.731) {
    const c = Math.sqrt(2 * power);
    const pair = new GaussianMixture({ weights: [0.5, 0.5], means: [[0], [c]], covariances: [1, 1] });
    const [, second] = pair.classProbabilities(Float64Array.of(0));
    const e = Math.exp(-(c * c) / 2);
    const expected = e / (1 + e);
    // The exponent itself is rounded, which counts as often as it is large.
    const allowed = (4 + power) * Number.EPSILON * expected + 5e-324;
    t.true(Math.abs(second! - expected) <= allowed, `${power}: ${second} against ${expected}`);
  }
});
