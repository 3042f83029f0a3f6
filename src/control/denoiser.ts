import { cpu } from '../device/cpu.js';
import type { Device, Elements } from '../device/device.js';
import { Queue } from '../device/queue.js';
import { OptionError } from '../errors.js';
import { FEW } from '../score/commands.js';
import type { ScoreModel } from '../score/model.js';
import { Room } from '../score/network/bound-network.js';
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
  const d = elementCount(model.shape);
  const linearized = await linearizedOf(model);
  const device = rows * d < FEW ? cpu : new Queue(signal);
  const room = new Room(device);
  return {
    device,
    async at(x, { levels, labels, signal }) {
      const place = (use: string, kind: 'single' | 'double' = 'double') => room.place(use, x.length, kind);
      const [state, estimate] = [place('x', 'single'), place('estimate')];
      device.write(state, x);
      const { output, pull } = await linearized(x, { levels, labels, signal }, device, place);
      device.affine(
        estimate,
        [state, output],
        table(levels, (level) => inEstimate(model, level)),
      );
      return {
        ...{ x: state, output, estimate },
        async product(out, v, factor = () => 1) {
          const pulled = await pull(v);
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

/** F near states, and what J_F^T v is, in arrays of a device; v is double. */
type Linearized = (
  x: Float32Array,
  rows: RowLevels,
  device: Device,
  place: (use: string, kind?: 'single' | 'double') => Elements,
) => Promise<{ readonly output: Elements; readonly pull: (v: Elements) => Promise<Elements> }>;

async function linearizedOf(model: ScoreModel): Promise<Linearized> {
  const { closedForm } = model;
  if (closedForm) {
    return (x, { levels, labels }, device, place) => {
      const state = new Float64Array(x);
      const [output, pulled] = [place('output'), place('pulled')];
      device.write(output, closedForm.evaluate(state, levels, labels));
      return Promise.resolve({
        output,
        async pull(v) {
          // The Jacobian of a true score is symmetric.
          const vector = (await device.read(v)) as Float64Array;
          device.write(pulled, closedForm.jvp(state, vector, levels, labels));
          return pulled;
        },
      });
    };
  }
  const pullOf = await networkPull(model);
  return async (x, rows, device, place) => {
    const [output, pulled, rounded] = [
      place('output', 'single'),
      place('pulled', 'single'),
      place('v', 'single'),
    ];
    const values = new Float32Array(x.length);
    const own = await pullOf(x, rows, values);
    device.write(output, values);
    return {
      output,
      async pull(v) {
        device.copy(rounded, v);
        await own((await device.read(rounded)) as Float32Array, values);
        device.write(pulled, values);
        return pulled;
      },
    };
  };
}

/** Writes F into an array, and then J_F^T v into another. */
type NetworkPull = (
  x: Float32Array,
  rows: RowLevels,
  output: Float32Array,
) => Promise<(v: Float32Array, product: Float32Array) => Promise<void>>;

async function networkPull(model: ScoreModel): Promise<NetworkPull> {
  if (model.linearize) {
    const linearize = await model.linearize();
    return (x, { levels, labels, signal }, output) => linearize(x, levels, output, labels, signal);
  }
  const vjp = await model.differentiate!();
  return async (x, { levels, labels, signal }, output) => {
    await model.evaluate(x, levels, output, labels, signal);
    return (v, product) => vjp(x, v, levels, new Float32Array(x.length), product, labels, signal);
  };
}
