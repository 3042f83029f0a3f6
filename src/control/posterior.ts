import { costAt } from '../solvers/counts.js';
import type { ScoreModel } from '../score/model.js';
import { withEvaluate } from '../score/wrapped.js';
import type { Denoiser, RowLevels } from './denoiser.js';
import { minimalResiduals } from './gmres.js';
import type { Known } from './measurement.js';

/** What has to be added to the posterior mean of x_0 given a state, so that it is that given the measurement too. */
type Shift = (x: Float32Array, residuals: readonly Float64Array[], rows: RowLevels) => Promise<Float64Array>;

/** A model of the samples of one batch given their measurements: the score of the shifted posterior mean. */
function shifted(
  model: ScoreModel,
  denoiser: Denoiser,
  known: Known,
  products: number,
  shift: Shift,
): ScoreModel {
  return withEvaluate(
    model,
    async (x, levels, output, labels, signal) => {
      const rows = { levels, labels, signal };
      const d = x.length / levels.length;
      const estimate = await denoiser.estimate(x, rows);
      const change = await shift(x, residualsOf(known, estimate, levels.length), rows);
      levels.forEach((level, row) => {
        const { alpha, sigma } = level;
        const s = model.coefficients(level);
        for (let i = row * d; i < (row + 1) * d; i++) {
          const score = (alpha * (estimate[i]! + change[i]!) - x[i]!) / sigma ** 2;
          output[i] = (score - s.state * x[i]!) / s.output;
        }
      });
    },
    (level) => ({ ...costAt(model, level), derivative: products }),
  );
}

/**
 * Moment matching posterior sampling (MMPS, Rozet et al. 2024): x_0 given x is taken for normal with its true covariance
 * C = sigma^2 / alpha J, so that its mean given y too is x_0 + C A^T u with (noise^2 I + A C A^T) u = y - A x_0. Exact for normal data.
 *
 * @param iterations of GMRES, each of one product with the Jacobian; as many as there are measured numbers solve it.
 */
export function momentMatching(
  model: ScoreModel,
  denoiser: Denoiser,
  known: Known,
  iterations: number,
): ScoreModel {
  const { operator, noise } = known;
  return shifted(model, denoiser, known, iterations, (x, residuals, rows) =>
    minimalResiduals(residuals, iterations, {
      async images(vectors) {
        const products = await denoiser.product(x, joined(vectors.map((w) => operator.adjoint(w))), rows);
        return scaledRows(products, rows, ({ alpha, sigma }) => sigma ** 2 / alpha);
      },
      applied: (image, w) => operator.apply(image).map((value, i) => value + noise ** 2 * w[i]!),
    }).then(joined),
  );
}

/**
 * Pseudoinverse guidance (PiGDM, Song et al. 2023): as {@link momentMatching}, with the covariance r^2 I, r^2 = sigma^2 / (sigma^2 +
 * alpha^2), that x_0 given x has for uncorrelated data of variance 1, and the Jacobian in the last product alone.
 */
export function pseudoinverseGuidance(model: ScoreModel, denoiser: Denoiser, known: Known): ScoreModel {
  const { noise } = known;
  const spectrum = known.operator.spectrum();
  return shifted(model, denoiser, known, 1, async (x, residuals, rows) => {
    const directions = residuals.map((residual, row) => {
      const { alpha, sigma } = rows.levels[row]!;
      const variance = sigma ** 2 / (sigma ** 2 + alpha ** 2);
      const u = spectrum.measured(residual).map((value, i) => {
        const s = spectrum.values[i]!;
        return (s * value) / (s ** 2 * variance + noise ** 2);
      });
      return spectrum.sample(u);
    });
    const products = await denoiser.product(x, joined(directions), rows);
    return joined(scaledRows(products, rows, ({ alpha, sigma }) => sigma ** 2 / alpha));
  });
}

/** y - A x_0 of every row. */
function residualsOf({ operator, of }: Known, estimate: Float64Array, rows: number): Float64Array[] {
  const d = estimate.length / rows;
  return Array.from({ length: rows }, (_, row) => {
    const image = operator.apply(estimate.slice(row * d, (row + 1) * d));
    return of(row).map((value, i) => value - image[i]!);
  });
}

function scaledRows(
  x: Float64Array,
  { levels }: RowLevels,
  factor: (level: RowLevels['levels'][number]) => number,
): Float64Array[] {
  const d = x.length / levels.length;
  return levels.map((level, row) => x.slice(row * d, (row + 1) * d).map((value) => factor(level) * value));
}

/** Vectors one after the other. */
function joined(vectors: readonly Float64Array[]): Float64Array {
  const [{ length } = new Float64Array(0)] = vectors;
  const out = new Float64Array(vectors.length * length);
  vectors.forEach((vector, row) => {
    out.set(vector, row * length);
  });
  return out;
}
