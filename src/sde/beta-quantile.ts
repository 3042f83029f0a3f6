/** Halvings of an interval of doubles, by which its ends meet. */
const HALVINGS = 80;

/**
 * The quantile of the distribution Beta(a, a): the place below which it has the share u.
 *
 * Up to the middle its distribution function is I_x = S(x) / (2 S(1/2)) with S(x) = x^a sum_n (1 - a)_n / n! x^n / (a + n) (Abramowitz and
 * Stegun 26.5.4), whose terms fall at least by halves; beyond it the distribution is its mirror image.
 */
export function symmetricBetaQuantile(u: number, a: number): number {
  if (u > 0.5) return 1 - symmetricBetaQuantile(1 - u, a);
  if (u <= 0) return 0;
  const target = 2 * u * series(0.5, a);
  let [low, high] = [0, 0.5];
  for (let k = 0; k < HALVINGS; k++) {
    const middle = (low + high) / 2;
    if (series(middle, a) < target) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

function series(x: number, a: number): number {
  let [sum, term] = [0, 1];
  for (let n = 0; Math.abs(term) > 1e-18; n++) {
    sum += term / (a + n);
    term *= ((n + 1 - a) / (n + 1)) * x;
  }
  return x ** a * sum;
}
