import { ModelError, OptionError } from '../errors.js';
import type { State } from '../device/binding.js';
import { dots } from '../device/kernels.js';
import { checkChoice } from '../options.js';
import type { Level } from '../sde/level.js';
import { vjpCommandsOf, type BindVjp } from './commands.js';
import type { ClosedForm, ScoreModel, Vjp } from './model.js';

/** States at which a model is evaluated: [rows, ...shape] in double precision, a level and perhaps a class for each. */
export interface Points {
  readonly x: Float64Array;
  readonly levels: readonly Level[];
  readonly labels?: Int32Array | undefined;
  /** Ends an evaluation of a network at its next operator. */
  readonly signal?: AbortSignal | undefined;
}

/** Vectors that the Jacobian is multiplied with: `count` for every row. */
export interface Probes {
  readonly count: number;
  /** Vector j of all rows, in the layout of x; valid until the next call. */
  vector(j: number): Float32Array;
}

/** How the products with the Jacobian of F are computed. */
export type DerivativeMethod = 'closed-form' | 'vjp' | 'central-difference';

/** Evaluations that a row goes through. A run of a network that gives F and a product at once counts as the product. */
export interface DerivativeCost {
  readonly score: number;
  readonly jvp: number;
  readonly vjp: number;
}

/** The output F of a model together with products with its Jacobian. */
export interface ScoreDerivative {
  readonly method: DerivativeMethod;
  /** Why it is not a better one. */
  readonly reason?: string;
  /** What `products` costs with this many probes. */
  cost(probes: number): DerivativeCost;
  /** Returns F, and writes v . (dF/dx) v for vector j of row i to out[i * count + j]. */
  products(points: Points, probes: Probes, out: Float64Array): Promise<State>;
  /** The product of one vector as commands of a device; absent where it has to be awaited. */
  readonly bind?: BindVjp | undefined;
  /** @internal The products of a closed form as commands of a device, in double precision; absent where they have to be awaited. */
  readonly commands?: ClosedForm['commands'];
  /** Returns F, and writes the trace of dF/dx: for a method that has it without unit vectors. */
  trace?(points: Points, out: Float64Array): Promise<State>;
  /** For a method with an error of its own: by how much the products of a row may be off, summed over its vectors. */
  discrepancy?(points: Points, probes: Probes): Promise<Float64Array>;
}

/** F at states in double precision: in double precision where the model has a closed form, else in float32. */
export async function evaluateAt(model: ScoreModel, { x, levels, labels, signal }: Points): Promise<State> {
  if (model.closedForm) return model.closedForm.evaluate(x, levels, labels);
  const output = new Float32Array(x.length);
  await model.evaluate(Float32Array.from(x), levels, output, labels, signal);
  return output;
}

/**
 * The best way to differentiate this model, or the one that is asked for: its closed form, the differentiated network,
 * or, where an operator of the network has no derivative and no method is asked for, central differences.
 *
 * @throws OptionError for a closed form or a graph that the model does not have; ModelError for a network without a
 *   derivative where `vjp` is asked for.
 */
export async function scoreDerivative(
  model: ScoreModel,
  method?: DerivativeMethod,
): Promise<ScoreDerivative> {
  if (method !== undefined) checkChoice('derivative', method, ['closed-form', 'vjp', 'central-difference']);
  if (method === 'central-difference') return new CentralDifference(model);
  if (method !== 'vjp' && model.closedForm) return new ClosedFormDerivative(model.closedForm);
  if (method !== 'closed-form' && model.differentiate) {
    try {
      return new NetworkDerivative(await model.differentiate());
    } catch (error) {
      if (method === 'vjp' || !(error instanceof ModelError)) throw error;
      return new CentralDifference(model, error.message);
    }
  }
  if (method === undefined) {
    return new CentralDifference(
      model,
      'the score of this model is neither known in closed form nor a network in an ONNX file.',
    );
  }
  const known = method === 'vjp' ? 'a network in an ONNX file' : 'known in closed form';
  throw new OptionError(
    'derivative',
    method,
    `'central-difference': the score of this model is not ${known}`,
  );
}

class ClosedFormDerivative implements ScoreDerivative {
  readonly method = 'closed-form';
  readonly commands: ClosedForm['commands'];
  readonly #form: ClosedForm;

  constructor(form: ClosedForm) {
    this.#form = form;
    this.commands = form.commands;
  }

  cost(probes: number): DerivativeCost {
    return { score: 1, jvp: probes, vjp: 0 };
  }

  products({ x, levels, labels }: Points, probes: Probes, out: Float64Array): Promise<State> {
    for (let j = 0; j < probes.count; j++) {
      const v = probes.vector(j);
      const product = this.#form.jvp(x, v, levels, labels);
      rowSums(levels.length, x.length, (i) => v[i]! * product[i]!).forEach((sum, i) => {
        out[i * probes.count + j] = sum;
      });
    }
    return Promise.resolve(this.#form.evaluate(x, levels, labels));
  }

  trace({ x, levels, labels }: Points, out: Float64Array): Promise<State> {
    out.set(this.#form.divergence(x, levels, labels));
    return Promise.resolve(this.#form.evaluate(x, levels, labels));
  }
}

/** J^T v of a network, from the same run as its output. */
class NetworkDerivative implements ScoreDerivative {
  readonly method = 'vjp';
  readonly bind: BindVjp | undefined;
  readonly #vjp: Vjp;

  constructor(vjp: Vjp) {
    this.#vjp = vjp;
    this.bind = vjpCommandsOf(vjp);
  }

  cost(probes: number): DerivativeCost {
    return { score: 0, jvp: 0, vjp: probes };
  }

  async products({ x, levels, labels, signal }: Points, probes: Probes, out: Float64Array): Promise<State> {
    const state = Float32Array.from(x);
    const output = new Float32Array(x.length);
    const product = new Float32Array(x.length);
    const sums = new Float64Array(levels.length);
    for (let j = 0; j < probes.count; j++) {
      const v = probes.vector(j);
      await this.#vjp(state, v, levels, output, product, labels, signal);
      dots(v, product, sums);
      sums.forEach((sum, i) => {
        out[i * probes.count + j] = sum;
      });
    }
    return output;
  }
}

/** Step of the central difference in units of sigma(t), the length on which a score varies; measured to be best in float32. */
const STEP = 0.003;

/**
 * v . (dF/dx) v by (F(x + h v) - F(x - h v)) / 2h with h = 0.003 sigma(t): two evaluations for every probe. Truncation
 * grows as h^2 and the rounding of a float32 network as 1 / h.
 */
class CentralDifference implements ScoreDerivative {
  readonly method = 'central-difference';
  readonly reason?: string;
  readonly #model: ScoreModel;

  constructor(model: ScoreModel, reason?: string) {
    this.#model = model;
    if (reason !== undefined) this.reason = reason;
  }

  cost(probes: number): DerivativeCost {
    return { score: 1 + 2 * probes, jvp: 0, vjp: 0 };
  }

  async products(points: Points, probes: Probes, out: Float64Array): Promise<State> {
    for (let j = 0; j < probes.count; j++) {
      const product = await this.#difference(points, probes.vector(j), STEP);
      product.forEach((value, i) => {
        out[i * probes.count + j] = value;
      });
    }
    return evaluateAt(this.#model, points);
  }

  /** The change when the step is doubled. */
  async discrepancy(points: Points, probes: Probes): Promise<Float64Array> {
    const sums = new Float64Array(points.levels.length);
    for (let j = 0; j < probes.count; j++) {
      const fine = await this.#difference(points, probes.vector(j), STEP);
      const coarse = await this.#difference(points, probes.vector(j), 2 * STEP);
      sums.forEach((sum, i) => (sums[i] = sum + Math.abs(fine[i]! - coarse[i]!)));
    }
    return sums;
  }

  async #difference(points: Points, v: Float32Array, step: number): Promise<Float64Array> {
    const { x, levels } = points;
    const rows = levels.length;
    const width = x.length / rows;
    const h = levels.map(({ sigma }) => step * sigma);
    const shifted = (sign: 1 | -1) =>
      x.map((value, e) => this.#rounded(value + sign * h[Math.floor(e / width)]! * v[e]!));
    const [right, left] = [shifted(1), shifted(-1)];
    const above = await evaluateAt(this.#model, { ...points, x: right });
    const below = await evaluateAt(this.#model, { ...points, x: left });
    // Where float32 rounds the displacement, the quotient takes it as it was rounded.
    return rowSums(rows, x.length, (e) => {
      const displacement = right[e]! - left[e]!;
      return displacement === 0 ? 0 : (v[e]! ** 2 * (above[e]! - below[e]!)) / displacement;
    });
  }

  #rounded(value: number): number {
    return this.#model.closedForm ? value : Math.fround(value);
  }
}

/** The sum of term(e) over the elements e of every row. */
function rowSums(rows: number, elements: number, term: (e: number) => number): Float64Array {
  const width = elements / rows;
  const sums = new Float64Array(rows);
  for (let i = 0, e = 0; i < rows; i++) {
    for (const end = e + width; e < end; e++) sums[i]! += term(e);
  }
  return sums;
}
