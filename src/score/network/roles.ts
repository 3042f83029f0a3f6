import { ModelError } from '../../errors.js';
import type { TensorInfo } from '../../onnx/file/model.js';
import { shownTensor } from '../../onnx/file/sizes.js';
import { isFloat } from '../../onnx/file/tensor.js';
import { nearest } from '../../options.js';
import type { TensorNames } from './metadata.js';

/** Which tensor of a network is the state x_t, its time label, its class label and its output F, and what else it is fed. */
export interface Roles {
  /** The input that takes x_t. */
  readonly state: TensorInfo;
  /** The input that takes the time, by the label rule. */
  readonly time: TensorInfo;
  /** The input that takes the class, where there is one. */
  readonly class?: TensorInfo;
  /** The input that takes the last estimate of x_0. */
  readonly selfCondition?: TensorInfo;
  /** The output F. */
  readonly output: TensorInfo;
  /** Inputs of other roles: text embeddings, pictures of low resolution, a guidance scale. */
  readonly inputs: readonly TensorInfo[];
}

type Role = keyof TensorNames;

/** Names that exporters give to the tensors, most telling first; `labels` is the time in score_sde, a class elsewhere. */
const usual: Readonly<Record<Role, readonly string[]>> = {
  state: ['x', 'sample', 'x_t', 'xt', 'x_noisy', 'noisy', 'image', 'images', 'input', 'inputs', 'z'],
  time: [
    't',
    'time',
    'times',
    'timestep',
    'timesteps',
    'time_cond',
    'sigma',
    'sigmas',
    'c_noise',
    'noise_labels',
    'noise_level',
    'noise',
    'labels',
  ],
  selfCondition: ['x_self_cond', 'self_cond', 'x_self_condition', 'self_condition'],
  class: ['y', 'class', 'classes', 'class_labels', 'class_label', 'label', 'labels'],
  output: ['score', 'eps', 'epsilon', 'noise_pred', 'v', 'x0', 'out_sample', 'output', 'out'],
};

/**
 * The roles of a network's tensors, by the given names and then by shape, type and usual names.
 * @param fed names of inputs that are given a value, and so have no other role.
 * @throws ModelError naming the option that settles what the file leaves open.
 */
export function inferRoles(
  inputs: readonly TensorInfo[],
  outputs: readonly TensorInfo[],
  names: TensorNames = {},
  fed: readonly string[] = [],
): Roles {
  const output = named('output', outputs, names) ?? choose('output', outputs.filter(isImage), outputs);
  let time = named('time', inputs, names);
  let classInfo = named('class', inputs, names);
  let state = named('state', inputs, names);
  const selfCondition = named('selfCondition', inputs, names) ?? byName('selfCondition', inputs)[0];
  const free = () =>
    inputs.filter(
      (info) => ![time, classInfo, state, selfCondition].includes(info) && !fed.includes(info.name),
    );
  if (state === undefined) {
    const images = free().filter(isImage);
    const fitting = images.filter((info) => isLike(info, output));
    const isFed = inputs.some((info) => fed.includes(info.name) && isImage(info) && isLike(info, output));
    state = choose('state', fitting.length > 0 || isFed ? fitting : images, inputs);
  }
  time ??= timeAmong(free().filter(isNumber), inputs, classInfo !== undefined);
  classInfo ??= classAmong(free());
  const others = { ...(classInfo && { class: classInfo }), ...(selfCondition && { selfCondition }) };
  const roles: readonly unknown[] = [state, time, ...Object.values(others)];
  return { state, time, output, ...others, inputs: inputs.filter((info) => !roles.includes(info)) };
}

/** @throws ModelError for a network that takes more than its state, its time and a class. */
export function refuseInputs({ state, time, inputs }: Roles, what: string): void {
  if (inputs.length === 0) return;
  throw new ModelError(
    `Its input ${quoted(inputs)} is neither the state (${state.name}), the time (${time.name}) nor a class label; ` +
      `${what} takes none. Export the network with that input fixed.`,
  );
}

/** The time among inputs of one number a sample. */
function timeAmong(
  numbers: readonly TensorInfo[],
  inputs: readonly TensorInfo[],
  hasClass: boolean,
): TensorInfo {
  if (inputs.length === 1) {
    throw new ModelError(
      `Its only input is ${quoted(inputs)}: a score network takes the time, or the noise level, too. Export it with both.`,
      { option: 'names.time' },
    );
  }
  if (numbers.length > 1) {
    const usual = byName('time', numbers)[0];
    if (usual) return usual;
    const classes = hasClass ? [] : byName('class', numbers);
    const others = numbers.filter((info) => !classes.includes(info));
    if (others.length === 1) return others[0]!;
    if (!hasClass) return choose('class', numbers, inputs);
  }
  return choose('time', numbers, inputs);
}

/**
 * The class among the inputs that are left: an integer or a one-hot row. One without a usual name is a class where it is the only
 * integer, or a row and the only input, and is not called as embeddings are.
 */
function classAmong(free: readonly TensorInfo[]): TensorInfo | undefined {
  const rows = free.filter(isOneHot);
  const numbers = free.filter(isNumber);
  const usual = byName('class', [...rows, ...numbers])[0];
  if (usual) return usual;
  const integers = numbers.filter(({ type }) => type.startsWith('int'));
  if (integers.length === 1) return integers[0];
  return free.length === 1 &&
    rows.length === 1 &&
    !/emb|pool|text|prompt|cond|context|hidden/i.test(rows[0]!.name)
    ? rows[0]
    : undefined;
}

function named(role: Role, infos: readonly TensorInfo[], names: TensorNames): TensorInfo | undefined {
  const name = names[role];
  if (name === undefined) return undefined;
  const found = infos.find((info) => info.name === name);
  if (found) return found;
  const known = infos.map((info) => info.name);
  const near = nearest(name, known);
  const kind = role === 'output' ? 'output' : 'input';
  throw new ModelError(
    `It has no ${kind} named "${name}"${near === undefined ? '' : ` (did you mean "${near}"?)`}; ` +
      `its ${kind}s are ${known.map((other) => `"${other}"`).join(', ')}.`,
    { option: `names.${role}`, value: name },
  );
}

/** The one candidate, or the one with a usual name. */
function choose(role: Role, candidates: readonly TensorInfo[], all: readonly TensorInfo[]): TensorInfo {
  if (candidates.length === 1) return candidates[0]!;
  const usualOnes = byName(role, candidates);
  if (usualOnes.length > 0) return usualOnes[0]!;
  const kind = role === 'output' ? 'output' : 'input';
  const what = {
    ...{ state: 'the state', time: 'the time', class: 'the class label', output: 'the output' },
    selfCondition: 'the last estimate of x_0',
  }[role];
  const why =
    candidates.length === 0
      ? `It has no ${kind} that could be ${what}`
      : `It is not clear which ${kind} is ${what}`;
  throw new ModelError(
    `${why}: its ${kind}s are ${all.length === 0 ? 'none' : quoted(all)}. ` +
      `Name it with names.${role} (--${role === 'output' ? role : `${role}-input`}).`,
    { option: `names.${role}` },
  );
}

/** The candidates with a usual name, most telling first. */
function byName(role: Role, candidates: readonly TensorInfo[]): TensorInfo[] {
  return usual[role].flatMap((name) => candidates.filter((info) => info.name.toLowerCase() === name));
}

function isImage({ type, shape }: TensorInfo): boolean {
  return isFloat(type) && (shape === undefined || shape.length >= 2);
}

function isOneHot({ type, shape }: TensorInfo): boolean {
  return isFloat(type) && shape?.length === 2 && typeof shape[1] === 'number' && shape[1] > 1;
}

/** One number, or one for every sample. */
function isNumber({ type, shape }: TensorInfo): boolean {
  return (isFloat(type) || type.startsWith('int')) && (shape ?? []).slice(1).every((size) => size === 1);
}

/** Whether the output is one of this state: of its shape, or with a variance in as many channels more. */
function isLike({ shape }: TensorInfo, { shape: out }: TensorInfo): boolean {
  if (shape === undefined || out === undefined) return true;
  return (
    shape.length === out.length &&
    shape.every((size, i) => {
      const other = out[i];
      if (i === 0 || typeof size === 'string' || typeof other === 'string') return true;
      return size === other || (i === 1 && 2 * size === other);
    })
  );
}

function quoted(infos: readonly TensorInfo[]): string {
  return infos.map((info) => `"${info.name}" (${shownTensor(info)})`).join(', ');
}
