import { OptionError } from '../errors.js';
import type { ScoreModel } from '../score/model.js';
import { withEvaluate } from '../score/wrapped.js';
import type { Level } from '../sde/level.js';

/** Where states are evaluated: a level and perhaps a class for each. */
export interface RowLevels {
  readonly levels: readonly Level[];
  readonly labels?: Int32Array | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A model near some states [rows, ...shape]; products may be taken until the denoiser is asked for other states. */
export interface Denoised {
  /** F. */
  readonly output: ArrayLike<number>;
  /** E[x_0 | x] = (x + sigma^2 s) / alpha, by Tweedie's formula. */
  readonly estimate: Float64Array;
  /** J^T v with J = dE[x_0 | x] / dx; alpha / sigma^2 times the covariance of x_0 given x for a true score. */
  readonly product: (v: Float64Array) => Promise<Float64Array>;
}

/** The posterior mean of x_0 given states, and products with its Jacobian. */
export type Denoiser = (x: Float32Array, rows: RowLevels) => Promise<Denoised>;

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
  const linearized = await linearizedOf(model);
  return async (x, rows) => {
    /** (x + sigma^2 (p x + q F)) / alpha, and the same map of products. */
    const combined = (x: ArrayLike<number>, F: ArrayLike<number>): Float64Array => {
      const out = new Float64Array(x.length);
      const d = x.length / rows.levels.length;
      rows.levels.forEach((level, row) => {
        const { state, output } = model.coefficients(level);
        const { alpha, sigma } = level;
        const [own, other] = [(1 + sigma ** 2 * state) / alpha, (sigma ** 2 * output) / alpha];
        for (let i = row * d; i < (row + 1) * d; i++) out[i] = own * x[i]! + other * F[i]!;
      });
      return out;
    };
    const { output, product } = await linearized(x, rows);
    return {
      output,
      estimate: combined(x, output),
      product: async (v) => combined(v, await product(v)),
    };
  };
}

/** The model, evaluated by its denoiser, and what that gave last: for a method that takes products where its solver evaluates. */
export function remembered(
  model: ScoreModel,
  denoiser: Denoiser,
): { readonly model: ScoreModel; readonly last: () => Denoised } {
  let last: Denoised | undefined;
  const evaluated = withEvaluate(model, async (x, levels, output, labels, signal) => {
    last = await denoiser(x, { levels, labels, signal });
    output.set(last.output);
  });
  return { model: evaluated, last: () => last! };
}

/** F near states, and products with its transposed Jacobian. */
type Linearized = (
  x: Float32Array,
  rows: RowLevels,
) => Promise<{
  readonly output: ArrayLike<number>;
  readonly product: (v: Float64Array) => Promise<ArrayLike<number>>;
}>;

async function linearizedOf(model: ScoreModel): Promise<Linearized> {
  const { closedForm } = model;
  if (closedForm) {
    return (x, { levels, labels }) => {
      const state = new Float64Array(x);
      return Promise.resolve({
        output: closedForm.evaluate(state, levels, labels),
        // The Jacobian of a true score is symmetric.
        product: (v) => Promise.resolve(closedForm.jvp(state, v, levels, labels)),
      });
    };
  }
  if (model.linearize) {
    const linearize = await model.linearize();
    return async (x, { levels, labels, signal }) => {
      const output = new Float32Array(x.length);
      const pull = await linearize(x, levels, output, labels, signal);
      const product = async (v: Float64Array) => {
        const result = new Float32Array(x.length);
        await pull(new Float32Array(v), result);
        return result;
      };
      return { output, product };
    };
  }
  const vjp = await model.differentiate!();
  return async (x, { levels, labels, signal }) => {
    const output = new Float32Array(x.length);
    await model.evaluate(x, levels, output, labels, signal);
    const product = async (v: Float64Array) => {
      const result = new Float32Array(x.length);
      await vjp(x, new Float32Array(v), levels, new Float32Array(x.length), result, labels, signal);
      return result;
    };
    return { output, product };
  };
}
