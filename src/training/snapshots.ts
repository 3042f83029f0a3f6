import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { withParameters } from '../autodiff/parameters.js';
import { affine } from '../device/kernels.js';
import { DataError } from '../errors.js';
import { ensureFolder, removeLeftovers, writeAtomically } from '../io/atomic.js';
import { readBytes, readFolder } from '../io/read.js';
import { decodeSafetensors, encodeSafetensors, type Float32Tensor } from '../io/safetensors.js';
import { withMetadata, type Model } from '../onnx/file/model.js';
import { checkInteger, checkKnown, isList } from '../options.js';
import { pathOf, type FilePath } from '../io/path.js';
import { checkDeviation, type Ema } from './ema.js';
import { tensorsOf, type ParameterShape } from './memory.js';
import { fitProfile, type AverageProfile } from './post-hoc.js';

const FORMAT = 'fastsde snapshot 1';
const NUMBERED = /^step-(\d{8,})\.safetensors$/;

/** The folder for the snapshots of a run that has made so many steps; those of later steps, which it makes again, are removed. */
export async function openSnapshots(folder: string, made: number): Promise<void> {
  await ensureFolder(folder);
  await removeLeftovers(folder, (name) => NUMBERED.test(name));
  for (const name of await readdir(folder))
    if (stepOf(name) > made) await rm(join(folder, name), { force: true });
}

/** Writes power-function averages, by their deviations, as they are after a step. */
export async function writeSnapshot(
  folder: string,
  step: number,
  parameters: readonly ParameterShape[],
  averages: ReadonlyMap<number, Float32Array>,
): Promise<void> {
  const tensors = new Map<string, Float32Tensor>();
  for (const [deviation, values] of averages)
    for (const [name, tensor] of tensorsOf(parameters, values)) tensors.set(`${deviation}.${name}`, tensor);
  const metadata = { format: FORMAT, step: String(step), deviations: JSON.stringify([...averages.keys()]) };
  await writeAtomically(join(folder, fileOf(step)), encodeSafetensors({ tensors, metadata }));
}

/** Which average is made of the snapshots of a run. */
export interface PostHocOptions {
  /** Its standard deviation over the length of the run, sigma_rel of Karras et al. 2024; above 0 and below 0.288. */
  readonly deviation: number;
  /** The steps after which it ends. Default: those of the last snapshot. */
  readonly step?: number | undefined;
}

/** An average made of snapshots. */
export interface PostHocAverage extends AverageProfile {
  /** The network with its weights. */
  readonly model: Model;
  /** How far the profile that the snapshots add up to is from the one that was asked for, relative, in L2. */
  readonly error: number;
  /** How many snapshots it is made of. */
  readonly snapshots: number;
}

/**
 * The network with a power-function average of the weights of its training, of any width: the sum of the averages that `train`
 * kept (option `snapshots`) whose profile comes nearest (Karras et al. 2024, "Analyzing and improving the training dynamics of
 * diffusion models", section 3.2). One that was kept is found again.
 *
 * @param model the trained network, such as the result of that run: its graph and what is not trained
 * @param place the folder of the snapshots, which are read one after the other
 * @throws OptionError for a deviation or step that cannot be had; DataError for a folder without snapshots, for files that are
 *   damaged, and for snapshots of another network.
 */
export async function postHocAverage(
  model: Model,
  place: FilePath,
  options: PostHocOptions,
): Promise<PostHocAverage> {
  const folder = pathOf('folder', place);
  checkKnown(options, ['deviation', 'step']);
  const deviation = checkDeviation('deviation', options.deviation);
  const steps = (await readFolder(folder)).map(stepOf).filter((step) => step > 0);
  if (steps.length === 0)
    throw new DataError(
      `${folder} has no snapshots. Train with the option snapshots (--snapshot-every) to keep them.`,
      { option: 'folder', value: folder },
    );
  const step = checkInteger(
    'step',
    options.step ?? Math.max(...steps),
    Math.min(...steps),
    Math.max(...steps),
  );
  const made = steps.filter((each) => each <= step);
  const { deviations } = await readSnapshot(folder, made[0]!);
  const kept = made.flatMap((each) => deviations.map((width) => ({ deviation: width, step: each })));
  const { weights, error } = fitProfile({ deviation, step }, kept);

  const sums = new Map<string, Float64Array>();
  for (const [i, each] of made.entries()) {
    const { tensors, deviations: found } = await readSnapshot(folder, each);
    if (found.join() !== deviations.join())
      throw damaged(folder, each, `it has averages of ${found.join(', ')}, others ${deviations.join(', ')}`);
    for (const [name, { data }] of tensors) {
      const [width, parameter] = split(name);
      const weight = weights[i * deviations.length + deviations.indexOf(width)];
      if (weight === undefined) throw damaged(folder, each, `it has a tensor "${name}"`);
      const sum = sums.get(parameter) ?? new Float64Array(data.length);
      sums.set(parameter, sum);
      if (sum.length !== data.length) throw damaged(folder, each, `"${name}" has another size than before`);
      affine(sum, [sum, data], Float64Array.of(1, weight, 0));
    }
  }
  const values = [...sums].map(([name, sum]) => [name, Float32Array.from(sum)] as const);
  const ema: Ema = { kind: 'power-function', deviation };
  const averaged = withMetadata(withParameters(model, new Map(values)), {
    'fastsde.training.steps': String(step),
    'fastsde.training.ema': JSON.stringify(ema),
  });
  return { model: averaged, deviation, step, error, snapshots: made.length };
}

/** The averages of one file, by names such as `0.05.head.bias`. */
async function readSnapshot(folder: string, step: number) {
  const path = join(folder, fileOf(step));
  const bytes = await readBytes(path);
  try {
    const { tensors, metadata } = decodeSafetensors(bytes);
    if (metadata['format'] !== FORMAT)
      throw new TypeError(`it is none of this version of fastsde (${FORMAT})`);
    const deviations = JSON.parse(metadata['deviations'] ?? '') as unknown;
    if (!isList(deviations)) throw new TypeError('it does not say which averages it has');
    return { tensors, deviations: deviations.map((each) => checkDeviation('deviations', each as number)) };
  } catch (cause) {
    throw damaged(folder, step, (cause as Error).message, cause);
  }
}

function damaged(folder: string, step: number, why: string, cause?: unknown): DataError {
  const path = join(folder, fileOf(step));
  return new DataError(`The snapshot ${path} cannot be used: ${why}. Remove it to do without.`, {
    value: path,
    cause,
  });
}

/** A tensor's name as the deviation of its average and the name of its parameter. */
function split(name: string): [deviation: number, parameter: string] {
  const [, deviation = '', parameter = ''] = /^(0\.\d+)\.(.*)$/s.exec(name) ?? [];
  return [Number(deviation), parameter];
}

function fileOf(step: number): string {
  return `step-${String(step).padStart(8, '0')}.safetensors`;
}

/** The step of a snapshot's file; 0 for another file. */
function stepOf(name: string): number {
  return Number(NUMBERED.exec(name)?.[1] ?? 0);
}
