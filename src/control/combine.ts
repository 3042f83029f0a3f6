import { cpu } from '../device/cpu.js';
import type { Device, Elements } from '../device/device.js';
import {
  commandsOf,
  deviceOf,
  setCommands,
  setVjpCommands,
  vjpCommandsOf,
  type BindEvaluation,
  type Commands,
} from '../score/commands.js';
import type { ClosedForm, Companions, Linearize, ScoreModel, Vjp } from '../score/model.js';
import type { Level } from '../sde/level.js';
import { Combining, type Blend } from './blend.js';

/** One of two functions of (x, t, class) that are combined: a network, or the gradient of a classifier. */
export interface ScorePart extends Combined {
  /** The conditions that it is given, for those of the rows of a run. */
  readonly classes: (labels: Int32Array | undefined, rows: number) => Int32Array | undefined;
}

/** What a combination computes: the members of a score model that are made of those of its parts. */
export type Combined = Pick<ScoreModel, 'evaluate' | 'closedForm' | 'differentiate' | 'linearize'>;

/**
 * F = state x + first F_1 + second F_2, evaluated by the first part on all rows and by the second on those that are guided. On a
 * device where both parts are commands, so is the combination, and no value leaves it.
 */
export function combine(first: ScorePart, second: ScorePart, blend: Blend): Combined {
  const evaluate: ScoreModel['evaluate'] = async (x, levels, output, labels, signal, companions) => {
    await first.evaluate(x, levels, output, first.classes(labels, levels.length), signal, companions);
    const guided = new Combining(blend, cpu, withEstimate(x, companions), [output]).begin(levels);
    if (!guided) return;
    const [[state, estimate], [other]] = [guided.inputs, guided.others] as [Float32Array[], Float32Array[]];
    const classes = second.classes(guided.of(labels), guided.levels.length);
    await second.evaluate(state!, guided.levels, other!, classes, signal, { estimate });
    guided.mix();
  };
  const bound = [commandsOf(first), commandsOf(second)] as const;
  if (bound[0] && bound[1]) {
    const [bindFirst, bindSecond] = bound;
    const bind: BindEvaluation = (device, x, output, companions) => {
      const combining = new Combining(blend, device, withEstimate(x, companions), [output]);
      const run = bindFirst(device, x, output, companions);
      return inTurn(first, second, combining, run, ([state, estimate], [other]) =>
        bindSecond(device, state!, other!, { estimate }),
      );
    };
    setCommands(evaluate, bind, deviceOf(first));
  }
  const closedForm = closedFormOf(first, second, blend);
  const isDifferentiable = first.differentiate && second.differentiate && blend.rescale === 0;
  const isLinearizable = first.linearize && second.linearize && blend.rescale === 0;
  return {
    evaluate,
    ...(closedForm && { closedForm }),
    ...(isDifferentiable && { differentiate: () => differentiate(first, second, blend) }),
    ...(isLinearizable && { linearize: () => linearize(first, second, blend) }),
  };
}

/** What both parts read. The variance is that of the first. */
function withEstimate<T>(x: T, { estimate }: Companions<T> = {}): readonly T[] {
  return estimate === undefined ? [x] : [x, estimate];
}

/** The commands of both parts, one after the other, and what makes one output of two. */
function inTurn(
  first: ScorePart,
  second: ScorePart,
  combining: Combining,
  run: Commands,
  bind: (inputs: readonly Elements[], others: readonly Elements[]) => Commands,
): Commands {
  /** The second part, by the number of its rows, and by whether they are all. */
  const runs = new Map<number, Commands>();
  return (levels, labels) => {
    run(levels, first.classes(labels, levels.length));
    const guided = combining.begin(levels);
    if (!guided) return;
    const rows = guided.levels.length;
    const key = rows === levels.length ? -1 : rows;
    let other = runs.get(key);
    if (!other) runs.set(key, (other = bind(guided.inputs, guided.others)));
    other(guided.levels, second.classes(guided.of(labels), rows));
    guided.mix();
  };
}

/** The transposed Jacobian products of both parts: that of F is combined as F is. */
async function differentiate(first: ScorePart, second: ScorePart, blend: Blend): Promise<Vjp> {
  const [one, two] = [await first.differentiate!(), await second.differentiate!()];
  const vjp: Vjp = async (x, v, levels, output, product, labels, signal) => {
    await one(x, v, levels, output, product, first.classes(labels, levels.length), signal);
    const guided = new Combining(blend, cpu, [x, v], [output, product]).begin(levels);
    if (!guided) return;
    const [state, vector] = guided.inputs as Float32Array[];
    const [other, products] = guided.others as Float32Array[];
    const classes = second.classes(guided.of(labels), guided.levels.length);
    await two(state!, vector!, guided.levels, other!, products!, classes, signal);
    guided.mix();
  };
  const bound = [vjpCommandsOf(one), vjpCommandsOf(two)] as const;
  if (bound[0] && bound[1]) {
    const [bindFirst, bindSecond] = bound;
    setVjpCommands(vjp, (device, x, v, output, product) => {
      const combining = new Combining(blend, device, [x, v], [output, product]);
      const run = bindFirst(device, x, v, output, product);
      return inTurn(first, second, combining, run, ([state, vector], [other, products]) =>
        bindSecond(device, state!, vector!, other!, products!),
      );
    });
  }
  return vjp;
}

/** Both parts linearized, of which products are combined as F is. */
async function linearize(first: ScorePart, second: ScorePart, blend: Blend): Promise<Linearize> {
  const [one, two] = [await first.linearize!(), await second.linearize!()];
  return async (x, levels, output, labels, signal) => {
    const ofFirst = await one(x, levels, output, first.classes(labels, levels.length), signal);
    const guided = new Combining(blend, cpu, [x], [output]).begin(levels);
    if (!guided) return ofFirst;
    const [[state], [other]] = [guided.inputs, guided.others] as [Float32Array[], Float32Array[]];
    const classes = second.classes(guided.of(labels), guided.levels.length);
    const ofSecond = await two(state!, guided.levels, other!, classes, signal);
    guided.mix();
    return async (v, product) => {
      await ofFirst(v, product);
      const products = new Combining(blend, cpu, [v], [product]).begin(levels)!;
      await ofSecond(products.inputs[0] as Float32Array, products.others[0] as Float32Array);
      products.mix();
    };
  };
}

/** F, its Jacobian products and its divergence where those of both parts are known, and x has no part in the combination. */
function closedFormOf(first: ScorePart, second: ScorePart, blend: Blend): ClosedForm | undefined {
  const [one, two] = [first.closedForm, second.closedForm];
  if (!one || !two || !blend.isOfOutputs || blend.rescale > 0) return undefined;
  /** out <- first out + second other, where any row is guided; closed forms cost little, so that all rows are evaluated. */
  const mix = (device: Device, levels: readonly Level[], out: Elements, other: () => Elements) => {
    const weights = levels.map((level) => blend.weights(level));
    if (weights.every((row) => row === undefined)) return;
    const table = weights.flatMap((row) => [row?.first ?? 1, row?.second ?? 0, 0]);
    device.affine(out, [out, other()], Float64Array.from(table));
  };
  const rowsFor =
    ({ classes }: ScorePart) =>
    (levels: readonly Level[], labels: Int32Array | undefined) =>
      [levels, classes(labels, levels.length)] as const;
  const [ofFirst, ofSecond] = [rowsFor(first), rowsFor(second)];
  const here = (levels: readonly Level[], out: Float64Array, other: () => Float64Array) => {
    mix(cpu, levels, out, other);
    return out;
  };
  /** Room for what the second part makes, by device. */
  const rooms = new WeakMap<Device, Elements>();
  const room = (device: Device, length: number) => {
    let place = rooms.get(device);
    if (!place || place.length < length) rooms.set(device, (place = device.allocate(length, 'double')));
    return device.rows(place, length, 0, 1);
  };
  const [run, runOther] = [one.commands, two.commands];
  const commands: ClosedForm['commands'] = run &&
    runOther && {
      jvp(device, x, v, out, levels, labels) {
        run.jvp(device, x, v, out, ...ofFirst(levels, labels));
        mix(device, levels, out, () => {
          const other = room(device, out.length);
          runOther.jvp(device, x, v, other, ...ofSecond(levels, labels));
          return other;
        });
      },
      divergence(device, x, out, levels, labels) {
        run.divergence(device, x, out, ...ofFirst(levels, labels));
        mix(device, levels, out, () => {
          const other = room(device, out.length);
          runOther.divergence(device, x, other, ...ofSecond(levels, labels));
          return other;
        });
      },
    };
  return {
    evaluate: (x, levels, labels) =>
      here(levels, one.evaluate(x, ...ofFirst(levels, labels)), () =>
        two.evaluate(x, ...ofSecond(levels, labels)),
      ),
    jvp: (x, v, levels, labels) =>
      here(levels, one.jvp(x, v, ...ofFirst(levels, labels)), () =>
        two.jvp(x, v, ...ofSecond(levels, labels)),
      ),
    divergence: (x, levels, labels) =>
      here(levels, one.divergence(x, ...ofFirst(levels, labels)), () =>
        two.divergence(x, ...ofSecond(levels, labels)),
      ),
    ...(commands && { commands }),
  };
}
