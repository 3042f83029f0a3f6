import { costAt } from '../solvers/counts.js';
import type { ScoreModel } from '../score/model.js';
import type { Level } from '../sde/level.js';
import { withEvaluate } from '../score/wrapped.js';
import type { Denoised, Denoiser, RowLevels } from './denoiser.js';
import { minimalResiduals } from './gmres.js';
import type { Known } from './measurement.js';

/** What has to be added to the posterior mean of x_0 given a state, so that it is that given the measurement too, with residuals y - A x_0. */
type Shift = (here: Denoised, residuals: Float64Array, rows: RowLevels) => Promise<Float64Array>;

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
      const here = await denoiser(x, rows);
      const { estimate } = here;
      const change = await shift(here, residualsOf(known, estimate, levels.length), rows);
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
  return shifted(model, denoiser, known, iterations, (here, residuals, { levels }) => {
    const rows = levels.length;
    return minimalResiduals(residuals, rows, iterations, {
      async images(w) {
        const images = await here.product(ofRows(w, rows, (vector) => operator.adjoint(vector)));
        return scaleByVariance(images, levels);
      },
      applied(images, w) {
        const out = ofRows(images, rows, (image) => operator.apply(image));
        for (let i = 0; i < out.length; i++) out[i]! += noise ** 2 * w[i]!;
        return out;
      },
    });
  });
}

/**
 * Pseudoinverse guidance (PiGDM, Song et al. 2023): as {@link momentMatching}, with the covariance r^2 I, r^2 = sigma^2 / (sigma^2 +
 * alpha^2), that x_0 given x has for uncorrelated data of variance 1, and the Jacobian in the last product alone.
 */
export function pseudoinverseGuidance(model: ScoreModel, denoiser: Denoiser, known: Known): ScoreModel {
  const { noise } = known;
  const spectrum = known.operator.spectrum();
  return shifted(model, denoiser, known, 1, async (here, residuals, { levels }) => {
    const directions = ofRows(residuals, levels.length, (residual, row) => {
      const { alpha, sigma } = levels[row]!;
      const variance = sigma ** 2 / (sigma ** 2 + alpha ** 2);
      const u = spectrum.measured(residual).map((value, i) => {
        const s = spectrum.values[i]!;
        return (s * value) / (s ** 2 * variance + noise ** 2);
      });
      return spectrum.sample(u);
    });
    return scaleByVariance(await here.product(directions), levels);
  });
}

/** y - A x_0 of every row. */
function residualsOf({ operator, of }: Known, estimate: Float64Array, rows: number): Float64Array {
  const out = ofRows(estimate, rows, (x) => operator.apply(x));
  const width = out.length / rows;
  for (let row = 0; row < rows; row++) {
    const value = of(row);
    for (let i = 0; i < width; i++) out[row * width + i] = value[i]! - out[row * width + i]!;
  }
  return out;
}

/** J^T v times sigma^2 / alpha, in place: the covariance of x_0 given x times v. */
function scaleByVariance(x: Float64Array, levels: readonly Level[]): Float64Array {
  const d = x.length / levels.length;
  levels.forEach(({ alpha, sigma }, row) => {
    for (let i = row * d; i < (row + 1) * d; i++) x[i]! *= sigma ** 2 / alpha;
  });
  return x;
}

/** A map of every row; the images lie one after the other. */
function ofRows(
  x: Float64Array,
  rows: number,
  map: (own: Float64Array, row: number) => Float64Array,
): Float64Array {
  const d = x.length / rows;
  let out: Float64Array | undefined;
  for (let row = 0; row < rows; row++) {
    const image = map(x.subarray(row * d, (row + 1) * d), row);
    out ??= new Float64Array(rows * image.length);
    out.set(image, row * image.length);
  }
  return out!;
}
