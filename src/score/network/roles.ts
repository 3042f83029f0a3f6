import { ModelError } from '../../errors.js';
import type { TensorInfo } from '../../onnx/file/model.js';
import { nearest } from '../../options.js';
import type { TensorNames } from './metadata.js';

/** Which tensor of a network is the state x_t, its time label, its class label and its output F. */
export interface Roles {
  readonly state: TensorInfo;
  readonly time: TensorInfo;
  readonly class?: TensorInfo;
  readonly output: TensorInfo;
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
  class: ['y', 'class', 'classes', 'class_labels', 'class_label', 'label', 'labels'],
  output: ['score', 'eps', 'epsilon', 'noise_pred', 'v', 'x0', 'out_sample', 'output', 'out'],
};

/**
 * The roles of a network's tensors, by the given names and then by shape, type and usual names.
 * @throws ModelError naming the option that settles what the file leaves open.
 */
export function inferRoles(
  inputs: readonly TensorInfo[],
  outputs: readonly TensorInfo[],
  names: TensorNames = {},
): Roles {
  const output = named('output', outputs, names) ?? choose('output', outputs.filter(isImage), outputs);
  let time = named('time', inputs, names);
  let classInfo = named('class', inputs, names);
  const free = () => inputs.filter((info) => info !== time && info !== classInfo && info !== state);
  let state = named('state', inputs, names);
  if (state === undefined) {
    const images = free().filter(isImage);
    const fitting = images.filter((info) => sameShape(info, output));
    state = choose('state', fitting.length > 0 ? fitting : images, inputs);
  }
  const rest = free();
  if (classInfo === undefined && rest.length === (time === undefined ? 2 : 1)) {
    classInfo = rest.find(isOneHot) ?? choose('class', rest, inputs);
  }
  time ??= choose('time', free(), inputs);
  if (free().length > 0) {
    throw new ModelError(
      `Its input ${quoted(free())} is neither the state (${state.name}), the time (${time.name}) nor a class label; ` +
        'fastsde cannot feed it. Export the network with that input fixed.',
    );
  }
  return { state, time, output, ...(classInfo && { class: classInfo }) };
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
  const what = { state: 'the state', time: 'the time', class: 'the class label', output: 'the output' }[role];
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
  return (type === 'float32' || type === 'float16') && (shape === undefined || shape.length >= 2);
}

function isOneHot({ type, shape }: TensorInfo): boolean {
  return type === 'float32' && shape?.length === 2 && typeof shape[1] === 'number' && shape[1] > 1;
}

function sameShape(a: TensorInfo, b: TensorInfo): boolean {
  if (a.shape === undefined || b.shape === undefined) return true;
  return (
    a.shape.length === b.shape.length &&
    a.shape.every((size, i) => {
      const other = b.shape![i];
      return i === 0 || typeof size === 'string' || typeof other === 'string' || size === other;
    })
  );
}

function quoted(infos: readonly TensorInfo[]): string {
  return infos
    .map(
      ({ name, type, shape }) =>
        `"${name}" (${type}${shape ? `[${shape.map((s) => (s === '' ? '?' : s)).join(', ')}]` : ''})`,
    )
    .join(', ');
}
