import test from 'ava';
import { symmetricBetaQuantile } from '../../src/sde/beta-quantile.js';

test('quantiles of Beta(a, a) are those of closed forms and of SciPy', (t) => {
  const near = (own: number, known: number) =>
    t.true(Math.abs(own - known) < 1e-12 * known, `${own} ${known}`);
  for (const u of [1e-4, 0.03, 0.4, 0.5, 0.8, 0.999]) {
    near(symmetricBetaQuantile(u, 1), u);
    near(symmetricBetaQuantile(u, 0.5), Math.sin((Math.PI * u) / 2) ** 2);
    near(symmetricBetaQuantile(u, 2), 0.5 - Math.sin(Math.asin(1 - 2 * u) / 3));
  }
  // scipy.stats.beta.ppf(u, 0.6, 0.6)
  near(symmetricBetaQuantile(1e-6, 0.6), 1.8558824624053043e-10);
  near(symmetricBetaQuantile(0.2, 0.6), 0.12292175045833292);
  near(symmetricBetaQuantile(0.7, 0.6), 0.7659829961247643);
  t.is(symmetricBetaQuantile(0, 0.6), 0);
  t.is(symmetricBetaQuantile(1, 0.6), 1);
});
