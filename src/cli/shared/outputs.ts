import { extname } from 'node:path';
import { OptionError } from '../../errors.js';
import { isFolder, writeAtomically } from '../../io/atomic.js';
import { encodeNpy } from '../../io/npy.js';
import { encodeNpz, type NamedArrays } from '../../io/npz.js';
import type { Sde } from '../../sde/sde.js';
import { isImageShape } from '../../shape.js';
import type { Trajectory } from '../../sampling/sample.js';

export type Form = 'npy' | 'npz' | 'grid' | 'scatter' | 'folder' | 'animation';

/** Where samples go and in which form. */
export interface Output {
  readonly path: string;
  readonly form: Form;
}

/**
 * The form that a path asks for, given the shape of one sample. Without a path: `samples.png`, or `samples.npy` where
 * samples are neither images nor points of the plane.
 *
 * @param stem The name without an ending of what is written without a path.
 *
 * @throws OptionError where samples of this shape, or their trajectory, cannot be written in that form.
 */
export async function resolveOutput(
  given: string | undefined,
  shape: readonly number[],
  trajectory: boolean,
  stem = 'samples',
): Promise<Output> {
  const image = isImageShape(shape);
  const plane = shape.length === 1 && shape[0] === 2;
  const path = given ?? `${stem}.${image || plane ? 'png' : 'npy'}`;
  const form = await formOf(path, plane);
  if (!image && (form === 'grid' || form === 'folder' || form === 'animation')) {
    const size = `[${shape.join(', ')}]`;
    throw new OptionError(
      'output',
      path,
      `a .npy or .npz file, since samples of shape ${size} are no pictures`,
    );
  }
  if (trajectory && (form === 'npy' || form === 'grid' || form === 'folder')) {
    throw new OptionError(
      'output',
      path,
      `a .npz${image ? ' or .webp' : ''} file where a trajectory is kept`,
    );
  }
  return { path, form };
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

/** Samples [count, ...shape] in the model's own space, of which the first has the index `first`. */
export interface Drawn {
  readonly samples: Float32Array;
  readonly shape: readonly number[];
  readonly first: number;
  readonly trajectory?: Trajectory;
}

/** Writes samples and, where the form has room for it, their trajectory. */
export async function writeSamples({ path, form }: Output, drawn: Drawn, sde: Sde): Promise<void> {
  const { samples, shape, first, trajectory } = drawn;
  const images = { samples, shape, range: sde.dataRange };
  switch (form) {
    case 'npy':
      return writeAtomically(path, encodeNpy({ data: samples, shape }));
    case 'npz':
      return writeAtomically(
        path,
        encodeNpz({ samples: { data: samples, shape }, ...framesOf(trajectory, shape) }),
      );
    case 'scatter': {
      const { writeScatter } = await import('../../io/scatter.js');
      return writeScatter(path, { points: samples, ...(trajectory && { paths: trajectory.frames }) });
    }
    case 'grid': {
      const { writeImageGrid } = await import('../../io/image.js');
      return writeImageGrid(path, images);
    }
    case 'folder': {
      const { writeImageFolder } = await import('../../io/image.js');
      return writeImageFolder(path, images, first);
    }
    case 'animation': {
      const { writeAnimation } = await import('../../io/image.js');
      const { frames, times } = trajectory!;
      const shown = frames.map((frame, k) => ({ ...images, samples: calm(frame, times[k]!, sde) }));
      return writeAnimation(path, [...shown, images]);
    }
  }
}

/** Writes paths [paths, points, ...shape], row by row where they are images. */
export async function writePaths(
  { path, form }: Output,
  { samples, shape }: Pick<Drawn, 'samples' | 'shape'>,
  sde: Sde,
): Promise<void> {
  const [paths, points, ...sample] = shape as [number, number, ...number[]];
  const range = sde.dataRange;
  const images = { samples, shape: [paths * points, ...sample], range };
  switch (form) {
    case 'npy':
      return writeAtomically(path, encodeNpy({ data: samples, shape }));
    case 'npz':
      return writeAtomically(path, encodeNpz({ samples: { data: samples, shape } }));
    case 'scatter': {
      const { writeScatter } = await import('../../io/scatter.js');
      return writeScatter(path, { points: samples });
    }
    case 'grid': {
      const { writeImageGrid } = await import('../../io/image.js');
      return writeImageGrid(path, images, { columns: points, width: 1024 });
    }
    case 'folder': {
      const { writeImageFolder } = await import('../../io/image.js');
      return writeImageFolder(path, images);
    }
    case 'animation': {
      const { writeAnimation } = await import('../../io/image.js');
      const frames = alongPaths(samples, paths, points);
      const shown = frames.map((frame) => ({ samples: frame, shape: [paths, ...sample], range }));
      return writeAnimation(path, shown, 200);
    }
  }
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

/**
 * A state at time t with its spread brought back to that of data, so that it can be shown: the data range of
 * alpha(t) x_0 and two standard deviations of noise at either side together fill the range of a picture.
 */
function calm(state: Float32Array, t: number, sde: Sde): Float32Array {
  const [low, high] = sde.dataRange;
  const half = (high - low) / 2;
  const middle = (high + low) / 2;
  const scale = half / (sde.alpha(t) * half + 2 * sde.sigma(t));
  return state.map((value) => middle + scale * (value - sde.alpha(t) * middle));
}
