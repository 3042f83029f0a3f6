import { extname } from 'node:path';
import { OptionError } from '../../errors.js';
import { assertWritable, isFolder, writeAtomically } from '../../io/atomic.js';
import type { GridLayout, ImageBatch } from '../../io/image.js';
import { npyPieces, type NdArray } from '../../io/npy.js';
import { encodeNpz, type NamedArrays } from '../../io/npz.js';
import type { Trajectory } from '../../sampling/previews.js';
import type { Sde } from '../../sde/sde.js';
import { elementCount, isImageShape } from '../../shape.js';

export type Form = 'npy' | 'npz' | 'grid' | 'scatter' | 'folder' | 'animation';

/** Where samples go and in which form. */
export interface Output {
  readonly path: string;
  readonly form: Form;
}

/** What {@link resolveOutput} needs to know beside the path. */
export interface OutputNeeds {
  /** Shape of one sample. */
  readonly shape: readonly number[];
  /** Whether a trajectory is kept. */
  readonly trajectory?: boolean;
  /** Whether there are frames for an animation. Default true. */
  readonly animation?: boolean;
  /** The name without an ending of what is written without a path. Default `samples`. */
  readonly stem?: string;
}

/**
 * The form that a path asks for. Without a path: `samples.png`, or `samples.npy` where samples are neither images nor points of
 * the plane. That it can be written here is found out, so that a long run does not fail at its end.
 *
 * @throws OptionError where such samples, or their trajectory, cannot be written in that form; OutputError where nothing can be
 *   written there; LoadError for a picture where sharp is not installed.
 */
export async function resolveOutput(
  given: string | undefined,
  { shape, trajectory = false, animation = true, stem = 'samples' }: OutputNeeds,
): Promise<Output> {
  const image = isImageShape(shape);
  const plane = shape.length === 1 && shape[0] === 2;
  const path = given ?? `${stem}.${image || plane ? 'png' : 'npy'}`;
  const form = await formOf(path, plane);
  const refuse = (expected: string): never => {
    throw new OptionError('output', path, expected);
  };
  if (!image && (form === 'grid' || form === 'folder' || form === 'animation'))
    refuse(
      `a ${plane ? '.png, ' : ''}.npy or .npz file, since samples of shape [${shape.join(', ')}] are no pictures`,
    );
  if (!animation && form === 'animation') refuse('a .png, .npy or .npz file, or a folder ending in /');
  if (trajectory && (form === 'npy' || form === 'grid' || form === 'folder'))
    refuse(`a .npz${image ? ' or .webp' : plane ? ' or .png' : ''} file where a trajectory is kept`);
  await assertWritable(path);
  if (form !== 'npy' && form !== 'npz') await (await import('../../io/sharp.js')).loadSharp();
  return { path, form };
}

/** Pixels of a picture that sharp encodes, and bytes of a .npz file. */
const MOST_PIXELS = 2 ** 28 - 2 ** 15;
const MOST_BYTES = 2 ** 32 - 2 ** 16;

/**
 * Finds out whether so many samples, and so many frames of them, fit into a file of this form.
 *
 * @throws OptionError where they do not.
 */
export function checkCapacity(
  { path, form }: Output,
  shape: readonly number[],
  count: number,
  frames = 0,
): void {
  const [, height = 0, width = 0] = shape;
  const pixels = count * (height + 2) * (width + 2) * (form === 'animation' ? frames + 1 : 1);
  const bytes = 4 * count * elementCount(shape) * (frames + 1);
  const isPicture = form === 'grid' || form === 'animation';
  if ((isPicture && pixels > MOST_PIXELS) || (form === 'npz' && bytes > MOST_BYTES))
    throw new OptionError(
      'output',
      path,
      `a .npy file or a folder, as ${count} samples do not fit into this kind of file`,
    );
}

/** Whether a path is that of a folder: it ends in a slash, or a folder is there. */
export async function namesFolder(path: string): Promise<boolean> {
  return /[/\\]$/.test(path) || (await isFolder(path));
}

async function formOf(path: string, plane: boolean): Promise<Form> {
  if (await namesFolder(path)) return 'folder';
  switch (extname(path).toLowerCase()) {
    case '.npy':
      return 'npy';
    case '.npz':
      return 'npz';
    case '.png':
      return plane ? 'scatter' : 'grid';
    case '.webp':
      return 'animation';
    default:
      throw new OptionError(
        'output',
        path,
        'a file ending in .png, .npy, .npz or .webp, or a folder ending in /',
      );
  }
}

/** What is written, as the forms need it. */
interface Drawing {
  readonly array: NdArray<Float32Array>;
  /** Other arrays of a .npz file. */
  readonly others?: NamedArrays;
  /** The same as pictures in reading order. */
  readonly pictures: ImageBatch;
  readonly layout?: GridLayout;
  /** Index of the first picture. */
  readonly first?: number;
  /** Lines of a scatter picture: the states at several times. */
  readonly lines?: readonly Float32Array[] | undefined;
  readonly frames: () => readonly ImageBatch[];
  /** Milliseconds that a frame is shown. */
  readonly frameTime?: number;
}

const writers: Readonly<Record<Form, (path: string, drawing: Drawing) => Promise<void>>> = {
  npy: (path, { array }) => writeAtomically(path, npyPieces(array)),
  npz: (path, { array, others }) => writeAtomically(path, encodeNpz({ samples: array, ...others })),
  async scatter(path, { array, lines }) {
    const { writeScatter } = await import('../../io/scatter.js');
    await writeScatter(path, { points: array.data, ...(lines && { paths: lines }) });
  },
  async grid(path, { pictures, layout }) {
    const { writeImageGrid } = await import('../../io/image.js');
    await writeImageGrid(path, pictures, layout);
  },
  async folder(path, { pictures, first }) {
    const { writeImageFolder } = await import('../../io/image.js');
    await writeImageFolder(path, pictures, first);
  },
  async animation(path, { frames, frameTime, layout }) {
    const { writeAnimation } = await import('../../io/image.js');
    await writeAnimation(path, frames(), frameTime, layout);
  },
};

/** Samples [count, ...shape] in the model's own space, of which the first has the index `first`. */
export interface DrawnSamples {
  readonly samples: Float32Array;
  readonly shape: readonly number[];
  readonly first: number;
  readonly trajectory?: Trajectory;
  /** What a decoder made of the samples, which are then latents. */
  readonly pictures?: ImageBatch | undefined;
}

/** Writes samples, or their pictures, and where the form has room for it the latents and the trajectory. */
export async function writeSamples({ path, form }: Output, drawn: DrawnSamples, sde: Sde): Promise<void> {
  const { samples, shape, first, trajectory } = drawn;
  const pictures = drawn.pictures ?? { samples, shape, range: sde.dataRange };
  await writers[form](path, {
    array: { data: pictures.samples, shape: pictures.shape },
    others: { ...(drawn.pictures && { latents: { data: samples, shape } }), ...framesOf(trajectory, shape) },
    pictures,
    first,
    lines: trajectory?.frames,
    frames: () => [...shownStates(trajectory, sde).map((samples) => ({ ...pictures, samples })), pictures],
  });
}

/** Samples of several pictures, [pictures, count, ...shape]. */
export interface DrawnRows extends Pick<DrawnSamples, 'samples' | 'shape' | 'trajectory'> {
  /** Pictures in a row. */
  readonly columns: number;
  /** Samples, or states, with what stands before them in their rows: [pictures, columns, ...shape]. */
  readonly inRows: (samples: Float32Array) => Float32Array;
}

/** Writes samples of several pictures, a row of pictures for each; where the form has room for it, the trajectory too. */
export async function writeRows(
  { path, form }: Output,
  { samples, shape, trajectory, columns, inRows }: DrawnRows,
  sde: Sde,
): Promise<void> {
  const [rows, , ...sample] = shape as [number, number, ...number[]];
  const rowsOf = (states: Float32Array): ImageBatch => ({
    samples: inRows(states),
    shape: [rows * columns, ...sample],
    range: sde.dataRange,
  });
  await writers[form](path, {
    array: { data: samples, shape },
    others: framesOf(trajectory, shape),
    get pictures() {
      return rowsOf(samples);
    },
    layout: { columns, width: 1024 },
    lines: trajectory?.frames,
    frames: () => [...shownStates(trajectory, sde), samples].map(rowsOf),
  });
}

/** Writes paths [paths, points, ...shape], row by row where they are images. */
export async function writePaths(
  { path, form }: Output,
  { samples, shape }: Pick<DrawnSamples, 'samples' | 'shape'>,
  sde: Sde,
): Promise<void> {
  const [paths, points, ...sample] = shape as [number, number, ...number[]];
  const range = sde.dataRange;
  await writers[form](path, {
    array: { data: samples, shape },
    pictures: { samples, shape: [paths * points, ...sample], range },
    layout: { columns: points, width: 1024 },
    frames: () =>
      alongPaths(samples, paths, points).map((frame) => ({
        samples: frame,
        shape: [paths, ...sample],
        range,
      })),
    frameTime: 200,
  });
}

/** The k-th points of all paths, [paths, ...shape], for every k. */
function alongPaths(samples: Float32Array, paths: number, points: number): Float32Array[] {
  const elements = samples.length / (paths * points);
  return Array.from({ length: points }, (_, k) => {
    const frame = new Float32Array(paths * elements);
    for (let n = 0; n < paths; n++) {
      const start = (n * points + k) * elements;
      frame.set(samples.subarray(start, start + elements), n * elements);
    }
    return frame;
  });
}

function framesOf(trajectory: Trajectory | undefined, shape: readonly number[]): NamedArrays {
  if (!trajectory) return {};
  const { frames, times, steps } = trajectory;
  const data = new Float32Array(frames.length * frames[0]!.length);
  frames.forEach((frame, k) => {
    data.set(frame, k * frame.length);
  });
  return {
    trajectory: { data, shape: [frames.length, ...shape] },
    times: { data: Float64Array.from(times), shape: [times.length] },
    steps: { data: Int32Array.from(steps), shape: [steps.length] },
  };
}

/** The frames of a trajectory as they can be shown. */
function shownStates(trajectory: Trajectory | undefined, sde: Sde): Float32Array[] {
  return trajectory?.frames.map((frame, k) => withoutSpread(frame, trajectory.times[k]!, sde)) ?? [];
}

/**
 * A state at time t with its spread brought back to that of data, so that it can be shown: the data range of
 * alpha(t) x_0 and two standard deviations of noise at either side together fill the range of a picture.
 */
function withoutSpread(state: Float32Array, t: number, sde: Sde): Float32Array {
  const [low, high] = sde.dataRange;
  const half = (high - low) / 2;
  const middle = (high + low) / 2;
  const scale = half / (sde.alpha(t) * half + 2 * sde.sigma(t));
  return state.map((value) => middle + scale * (value - sde.alpha(t) * middle));
}
