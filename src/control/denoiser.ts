import { cpu } from '../device/cpu.js';
import type { Device, Elements } from '../device/device.js';
import { Queue } from '../device/queue.js';
import { OptionError } from '../errors.js';
import { FEW, linearizeCommandsOf } from '../score/commands.js';
import type { Linearize, ScoreModel } from '../score/model.js';
import { withEvaluate } from '../score/wrapped.js';
import type { Level } from '../sde/level.js';
import { elementCount } from '../shape.js';
import { estimateCoefficients } from '../score/parameterization.js';

/** Where states are evaluated: a level and perhaps a class for each. */
export interface RowLevels {
  readonly levels: readonly Level[];
  readonly labels?: Int32Array | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A model near some states [rows, ...shape]; products may be taken until the denoiser is asked for other states. */
export interface Denoised {
  /** The states, single. */
  readonly x: Elements;
  /** F, single, or double where it has a closed form. */
  readonly output: Elements;
  /** E[x_0 | x] = (x + sigma^2 s) / alpha, by Tweedie's formula; double. */
  readonly estimate: Elements;
  /**
   * out <- J^T v, both double, with J = dE[x_0 | x] / dx; alpha / sigma^2 times the covariance of x_0 given x for a true score.
   * @param factor what it is multiplied with at a level; default 1.
   */
  readonly product: (out: Elements, v: Elements, factor?: (level: Level) => number) => Promise<void>;
}

/** The posterior mean of x_0 given states, and products with its Jacobian, on a device of its own beside the network. */
export interface Denoiser {
  readonly device: Device;
  at(x: Float32Array, rows: RowLevels): Promise<Denoised>;
  close(): Promise<void>;
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

/**
 * @param rows about how many states it is asked for at once.
 * @param signal ends its work.
 * @throws ModelError for a network that has an operator without a derivative.
 */
export async function openDenoiser(model: ScoreModel, rows: number, signal?: AbortSignal): Promise<Denoiser> {
  const linearize = await linearizedOf(model);
  const isHere = model.closedForm !== undefined && rows * elementCount(model.shape) < FEW;
  const device = isHere ? cpu : new Queue(signal);
  const places = new Map<number, Linearized>();
  return {
    device,
    async at(x, { levels, labels, signal }) {
      let place = places.get(x.length);
      if (!place) places.set(x.length, (place = linearize(device, x.length)));
      const { output, estimate, pulled } = place;
      device.write(place.x, x);
      await place.evaluate({ levels, labels, signal });
      device.affine(
        estimate,
        [place.x, output],
        table(levels, (level) => inEstimate(model, level)),
      );
      return {
        ...{ x: place.x, output, estimate },
        async product(out, v, factor = () => 1) {
          device.copy(place.v, v);
          await place.pull();
          const rows = table(levels, (level) => inEstimate(model, level).map((c) => factor(level) * c));
          device.affine(out, [v, pulled], rows);
        },
      };
    },
    close: () => device.close(),
  };
}

/** The estimate of x_0, of x and F. */
function inEstimate(model: ScoreModel, level: Level): readonly number[] {
  const { state, output } = estimateCoefficients(model.parameterization, level, model.coefficients(level));
  return [state, output];
}

/** The coefficients of an update without noise, a row for every level. */
export function table(levels: readonly Level[], row: (level: Level) => readonly number[]): Float64Array {
  const rows = new Map<Level, readonly number[]>();
  const all = levels.map((level) => {
    let found = rows.get(level);
    if (!found) rows.set(level, (found = [...row(level), 0]));
    return found;
  });
  return Float64Array.from(all.flat());
}

/** A model that is evaluated by a denoiser, and what that gave last: for a method that takes products where its solver evaluates. */
export interface Remembered {
  readonly model: ScoreModel;
  readonly denoiser: Denoiser;
  readonly last: () => Denoised;
}

export function remembered(model: ScoreModel, denoiser: Denoiser): Remembered {
  let last: Denoised | undefined;
  const evaluated = withEvaluate(model, async (x, levels, output, labels, signal) => {
    last = await denoiser.at(x, { levels, labels, signal });
    output.set(await denoiser.device.read(last.output));
  });
  return { model: evaluated, denoiser, last: () => last! };
}

/** F and J_F^T v in arrays of a device, [rows, ...shape], single, or double where they have a closed form; x is single. */
interface Linearized {
  readonly x: Elements;
  readonly output: Elements;
  readonly v: Elements;
  readonly pulled: Elements;
  /** The estimate of x_0, double. */
  readonly estimate: Elements;
  /** output <- F. */
  readonly evaluate: (rows: RowLevels) => void | Promise<void>;
  /** pulled <- J_F^T v. */
  readonly pull: () => void | Promise<void>;
}

async function linearizedOf(model: ScoreModel): Promise<(device: Device, length: number) => Linearized> {
  const { closedForm } = model;
  const arrays = (device: Device, length: number) => {
    const place = () => device.allocate(length, closedForm ? 'double' : 'single');
    return {
      ...{ x: device.allocate(length, 'single'), estimate: device.allocate(length, 'double') },
      ...{ output: place(), v: place(), pulled: place() },
    };
  };
  if (closedForm) {
    return (device, length) => {
      const own = arrays(device, length);
      let [x, at]: [Float64Array, RowLevels] = [new Float64Array(length), { levels: [] }];
      return {
        ...own,
        async evaluate(rows) {
          x = new Float64Array(await device.read(own.x));
          at = rows;
          device.write(own.output, closedForm.evaluate(x, at.levels, at.labels));
        },
        async pull() {
          // The Jacobian of a true score is symmetric.
          const v = (await device.read(own.v)) as Float64Array;
          device.write(own.pulled, closedForm.jvp(x, v, at.levels, at.labels));
        },
      };
    };
  }
  const linearize = await linearizeOf(model);
  const bind = linearizeCommandsOf(linearize);
  return (device, length) => {
    const own = arrays(device, length);
    if (bind) {
      const { evaluate, product } = bind(device, own.x, own.v, own.output, own.pulled);
      return {
        ...own,
        evaluate: ({ levels, labels }) => {
          evaluate(levels, labels);
        },
        pull: product,
      };
    }
    let pull: Awaited<ReturnType<Linearize>>;
    const values = new Float32Array(length);
    const read = async (of: Elements) => (await device.read(of)) as Float32Array;
    return {
      ...own,
      async evaluate({ levels, labels, signal }) {
        pull = await linearize(await read(own.x), levels, values, labels, signal);
        device.write(own.output, values);
      },
      async pull() {
        await pull(await read(own.v), values);
        device.write(own.pulled, values);
      },
    };
  };
}

/** By the network that keeps what products read, or else by one run forward and back for each of them. */
async function linearizeOf(model: ScoreModel): Promise<Linearize> {
  if (model.linearize) return model.linearize();
  const vjp = await model.differentiate!();
  return async (x, levels, output, labels, signal) => {
    await model.evaluate(x, levels, output, labels, signal);
    return (v, product) => vjp(x, v, levels, new Float32Array(x.length), product, labels, signal);
  };
}
