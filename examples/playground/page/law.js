// The law of alpha x + sigma z for x from a mixture of round Gaussians in the plane, in closed form.

/**
 * @param {{ weights: number[], means: number[][], spreads: number[] }} mixture
 * @param {{ alpha: number, sigma: number }} level
 */
export function lawAt({ weights, means, spreads }, { alpha, sigma }) {
  const parts = weights.map((weight, k) => {
    const variance = (alpha * spreads[k]) ** 2 + sigma ** 2;
    const [x, y] = means[k];
    return { weight, variance, x: alpha * x, y: alpha * y };
  });
  const densities = (x, y) =>
    parts.map(({ weight, variance, ...mean }) => {
      const square = (x - mean.x) ** 2 + (y - mean.y) ** 2;
      return (weight / (2 * Math.PI * variance)) * Math.exp(-square / (2 * variance));
    });
  return {
    /** Half the side of a square around 0 that holds nearly all of it. */
    reach: Math.max(
      ...parts.map(({ variance, x, y }) => Math.max(Math.abs(x), Math.abs(y)) + 3.2 * Math.sqrt(variance)),
    ),
    density: (x, y) => densities(x, y).reduce((sum, value) => sum + value, 0),
    /** The largest density, nearly: that at the modes. */
    peak: Math.max(...parts.map(({ x, y }) => densities(x, y).reduce((sum, value) => sum + value, 0))),
    /** The gradient of the logarithm of the density; [0, 0] where that is too small for a number. */
    score(x, y) {
      const each = densities(x, y);
      const sum = each.reduce((total, value) => total + value, 0);
      if (!(sum > 0)) return [0, 0];
      return ['x', 'y'].map((axis, i) =>
        parts.reduce(
          (total, part, k) => total + (each[k] / sum) * ((part[axis] - [x, y][i]) / part.variance),
          0,
        ),
      );
    },
    /** The mode that a point most probably belongs to. */
    modeOf(x, y) {
      // By logarithms: far away all densities are 0.
      const logs = parts.map(
        ({ weight, variance, ...mean }) =>
          Math.log(weight / variance) - ((x - mean.x) ** 2 + (y - mean.y) ** 2) / (2 * variance),
      );
      return logs.indexOf(Math.max(...logs));
    },
  };
}
