import { cpu } from '../device/cpu.js';
import type { Device, Elements } from '../device/device.js';
import { Queue } from '../device/queue.js';
import { OptionError } from '../errors.js';
import { chosenDevice } from '../device/where.js';
import {
  commandsOf,
  deviceOf,
  FEW,
  linearizeCommandsOf,
  setCommands,
  vjpCommandsOf,
  type BindEvaluation,
  type BindLinearized,
} from '../score/commands.js';
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
  readonly product: (out: Elements, v: Elements, factor?: (level: Level) => number) => void | Promise<void>;
}

/** The posterior mean of x_0 given states, and products with its Jacobian. */
export interface Denoiser {
  /** A device of its own, beside the network. */
  readonly device: Device;
  /** On that device. */
  at(x: Float32Array, rows: RowLevels): Promise<Denoised>;
  /** On any device, and by its commands, products too. Absent where they have to be awaited. */
  readonly enqueue?: (device: Device, x: Elements, rows: RowLevels) => Denoised;
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
  const { on, isByCommands } = await linearizedOf(model);
  const where = chosenDevice() ?? deviceOf(model);
  const isHere = where === 'cpu' && model.closedForm !== undefined && rows * elementCount(model.shape) < FEW;
  let own: Device | undefined;
  const ownDevice = () => (own ??= isHere ? cpu : new Queue(signal, where));
  const places = new Map<Device, Map<number, Linearized>>();
  const place = (device: Device, length: number) => {
    let known = places.get(device);
    if (!known) places.set(device, (known = new Map<number, Linearized>()));
    let found = known.get(length);
    if (!found) known.set(length, (found = on(device, length)));
    return found;
  };
  const denoised = (device: Device, at: Linearized, levels: readonly Level[]): Denoised => {
    const { x, output, estimate, v: cotangent, pulled } = at;
    device.affine(
      estimate,
      [x, output],
      table(levels, (level) => inEstimate(model, level)),
    );
    return {
      ...{ x, output, estimate },
      product(out, v, factor = () => 1) {
        device.copy(cotangent, v);
        const rows = table(levels, (level) => inEstimate(model, level).map((c) => factor(level) * c));
        const combine = () => {
          device.affine(out, [v, pulled], rows);
        };
        const pull = at.pull();
        if (pull) return pull.then(combine);
        combine();
      },
    };
  };
  return {
    get device() {
      return ownDevice();
    },
    async at(x, rows) {
      const device = ownDevice();
      const at = place(device, x.length);
      device.write(at.x, x);
      await at.evaluate(rows);
      return denoised(device, at, rows.levels);
    },
    ...(isByCommands && {
      enqueue(device: Device, x: Elements, rows: RowLevels) {
        const at = place(device, x.length);
        device.copy(at.x, x);
        void at.evaluate(rows);
        return denoised(device, at, rows.levels);
      },
    }),
    async close() {
      await own?.close();
    },
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
  const evaluate: ScoreModel['evaluate'] = async (x, levels, output, labels, signal) => {
    last = await denoiser.at(x, { levels, labels, signal });
    output.set(await denoiser.device.read(last.output));
  };
  const { enqueue } = denoiser;
  if (enqueue) {
    const bind: BindEvaluation = (device, x, output) => (levels, labels) => {
      last = enqueue(device, x, { levels, labels });
      device.copy(output, last.output);
    };
    setCommands(evaluate, bind, deviceOf(model));
  }
  return { model: withEvaluate(model, evaluate), denoiser, last: () => last! };
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

/** A model's evaluation and products on arrays of a device. */
interface Linearizing {
  readonly on: (device: Device, length: number) => Linearized;
  /** Whether nothing has to be awaited. */
  readonly isByCommands: boolean;
}

async function linearizedOf(model: ScoreModel): Promise<Linearizing> {
  const { closedForm } = model;
  const arrays = (device: Device, length: number) => {
    const place = () => device.allocate(length, closedForm ? 'double' : 'single');
    return {
      ...{ x: device.allocate(length, 'single'), estimate: device.allocate(length, 'double') },
      ...{ output: place(), v: place(), pulled: place() },
    };
  };
  if (closedForm) {
    const on = (device: Device, length: number): Linearized => {
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
    return { on, isByCommands: false };
  }
  const { linearize, bind } = await linearizeOf(model);
  const on = (device: Device, length: number): Linearized => {
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
  return { on, isByCommands: bind !== undefined };
}

/** By the network that keeps what products read, or else by one run forward and back for each of them; and the same by commands, if there are any. */
async function linearizeOf(
  model: ScoreModel,
): Promise<{ readonly linearize: Linearize; readonly bind: BindLinearized | undefined }> {
  if (model.linearize) {
    const linearize = await model.linearize();
    return { linearize, bind: linearizeCommandsOf(linearize) };
  }
  const vjp = await model.differentiate!();
  const [bindEvaluation, bindVjp] = [commandsOf(model), vjpCommandsOf(vjp)];
  return {
    async linearize(x, levels, output, labels, signal) {
      await model.evaluate(x, levels, output, labels, signal);
      return (v, product) => vjp(x, v, levels, new Float32Array(x.length), product, labels, signal);
    },
    bind:
      bindEvaluation &&
      bindVjp &&
      ((device, x, v, output, product) => {
        const evaluate = bindEvaluation(device, x, output);
        const pull = bindVjp(device, x, v, device.allocate(x.length, 'single'), product);
        let at: Parameters<typeof evaluate> = [[]];
        return {
          evaluate(...rows) {
            at = rows;
            evaluate(...rows);
          },
          product() {
            pull(...at);
          },
        };
      }),
  };
}
