import { OptionError } from '../errors.js';
import type { ScoreModel } from '../score/model.js';
import type { Level } from '../sde/level.js';

/** Where states are evaluated: a level and perhaps a class for each. */
export interface RowLevels {
  readonly levels: readonly Level[];
  readonly labels?: Int32Array | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The posterior mean of x_0 given states [rows, ...shape], and products with its Jacobian. */
export interface Denoiser {
  /** E[x_0 | x] = (x + sigma^2 s) / alpha, by Tweedie's formula. */
  estimate(x: Float32Array, rows: RowLevels): Promise<Float64Array>;
  /** J^T v with J = dE[x_0 | x] / dx; alpha / sigma^2 times the covariance of x_0 given x for a true score. */
  product(x: Float32Array, v: Float64Array, rows: RowLevels): Promise<Float64Array>;
}

/** Throws unless a model can be differentiated: in closed form, or as a network in an ONNX file. */
export function checkDifferentiable(
  model: ScoreModel,
  method: string,
  others = "'replacement' or 'smc'",
): void {
  if (model.closedForm || model.differentiate) return;
  const expected = `${others}: the score of this model is neither known in closed form nor a network in an ONNX file, so that it cannot be differentiated`;
  throw new OptionError('method', method, expected);
}

/** @throws ModelError for a network that has an operator without a derivative. */
export async function denoiserOf(model: ScoreModel): Promise<Denoiser> {
  const { outputs, products } = await derivativesOf(model);
  /** (x + sigma^2 (p x + q F)) / alpha, and the same map of products. */
  const combined = (x: ArrayLike<number>, F: ArrayLike<number>, { levels }: RowLevels): Float64Array => {
    const out = new Float64Array(x.length);
    const d = x.length / levels.length;
    levels.forEach((level, row) => {
      const { state, output } = model.coefficients(level);
      const { alpha, sigma } = level;
      const [own, other] = [(1 + sigma ** 2 * state) / alpha, (sigma ** 2 * output) / alpha];
      for (let i = row * d; i < (row + 1) * d; i++) out[i] = own * x[i]! + other * F[i]!;
    });
    return out;
  };
  return {
    estimate: async (x, rows) => combined(x, await outputs(x, rows), rows),
    product: async (x, v, rows) => combined(v, await products(x, v, rows), rows),
  };
}

interface Derivatives {
  readonly outputs: (x: Float32Array, rows: RowLevels) => Promise<ArrayLike<number>>;
  readonly products: (x: Float32Array, v: Float64Array, rows: RowLevels) => Promise<ArrayLike<number>>;
}

async function derivativesOf(model: ScoreModel): Promise<Derivatives> {
  const { closedForm } = model;
  if (closedForm) {
    return {
      outputs: (x, { levels, labels }) =>
        Promise.resolve(closedForm.evaluate(Float64Array.from(x), levels, labels)),
      // The Jacobian of a true score is symmetric.
      products: (x, v, { levels, labels }) =>
        Promise.resolve(closedForm.jvp(Float64Array.from(x), v, levels, labels)),
    };
  }
  const vjp = await model.differentiate!();
  return {
    async outputs(x, { levels, labels, signal }) {
      const output = new Float32Array(x.length);
      await model.evaluate(x, levels, output, labels, signal);
      return output;
    },
    async products(x, v, { levels, labels, signal }) {
      const [output, product] = [new Float32Array(x.length), new Float32Array(x.length)];
      await vjp(x, Float32Array.from(v), levels, output, product, labels, signal);
      return product;
    },
  };
}
