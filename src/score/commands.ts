import { cpu } from '../device/cpu.js';
import type { Device, DeviceName, Elements } from '../device/device.js';
import { Queue } from '../device/queue.js';
import { chosenDevice } from '../device/where.js';
import type { Level } from '../sde/level.js';
import type { Companions, Linearize, ScoreModel, Vjp } from './model.js';

/** Enqueues what was bound, for rows at these levels, and returns at once. */
export type Commands = (levels: readonly Level[], labels?: Int32Array) => void;

/**
 * Binds an evaluation to arrays of a device, [rows, ...shape] each: F at x goes into `output`. Both are single, or, where the
 * model has a closed form, both double.
 */
export type BindEvaluation = (
  device: Device,
  x: Elements,
  output: Elements,
  companions?: Companions<Elements>,
) => Commands;

/** The same of a Jacobian product, all arrays single: F at x goes into `output`, (dF/dx)^T v into `product`. */
export type BindVjp = (
  device: Device,
  x: Elements,
  v: Elements,
  output: Elements,
  product: Elements,
) => Commands;

/** An evaluation bound to arrays of a device, and products where it was made. */
export interface LinearizedCommands {
  readonly evaluate: Commands;
  /** (dF/dx)^T v goes into `product`. */
  readonly product: () => void;
}

/** As {@link BindVjp}, where products come after the evaluation. */
export type BindLinearized = (
  device: Device,
  x: Elements,
  v: Elements,
  output: Elements,
  product: Elements,
) => LinearizedCommands;

// Known by the function that does the same on ordinary arrays: a model that is made of another one, with a function of its own in
// this place, has no such commands, and one that takes the function over has them too.
const evaluations = new WeakMap<ScoreModel['evaluate'], { bind: BindEvaluation; device: DeviceName }>();
const products = new WeakMap<Vjp, BindVjp>();
const linearizations = new WeakMap<Linearize, BindLinearized>();

/**
 * Says how an evaluation is made of commands of a device.
 * @param device where the arrays are best: where the network runs.
 */
export function setCommands(
  evaluate: ScoreModel['evaluate'],
  bind: BindEvaluation,
  device: DeviceName = 'cpu',
): void {
  evaluations.set(evaluate, { bind, device });
}

/** As {@link setCommands}, for a Jacobian product. */
export function setVjpCommands(vjp: Vjp, bind: BindVjp): void {
  products.set(vjp, bind);
}

/** As {@link setCommands}, for an evaluation with products that come after it. */
export function setLinearizeCommands(linearize: Linearize, bind: BindLinearized): void {
  linearizations.set(linearize, bind);
}

/** As {@link commandsOf}, of an evaluation with products that come after it. */
export function linearizeCommandsOf(linearize: Linearize): BindLinearized | undefined {
  return linearizations.get(linearize);
}

/** How this model is evaluated by commands of a device; undefined where its evaluation has to be awaited, as a user's function. */
export function commandsOf({ evaluate }: Pick<ScoreModel, 'evaluate'>): BindEvaluation | undefined {
  return evaluations.get(evaluate)?.bind;
}

/** The device that suits the evaluation of a model. */
export function deviceOf({ evaluate }: Pick<ScoreModel, 'evaluate'>): DeviceName {
  return evaluations.get(evaluate)?.device ?? 'cpu';
}

/** As {@link commandsOf}, of a Jacobian product. */
export function vjpCommandsOf(vjp: Vjp): BindVjp | undefined {
  return products.get(vjp);
}

/** Elements below which kernels take less time than the way to another thread and back, some 20 us. */
export const FEW = 8192;

/**
 * Where states of a model are: with a queue on the device that was chosen, or else suits the model, but for few elements on the CPU that a
 * function is awaited for, which stay with its thread.
 * @param signal ends the work of a queue.
 * @throws LoadError where the device cannot be used.
 */
export function openDevice(model: ScoreModel, elements: number, signal: AbortSignal | undefined): Device {
  const where = chosenDevice() ?? deviceOf(model);
  const isHere = where === 'cpu' && commandsOf(model) === undefined && elements < FEW;
  return isHere ? cpu : new Queue(signal, where);
}
