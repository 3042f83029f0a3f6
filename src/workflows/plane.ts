import { OptionError } from '../errors.js';
import { writePanels, type Panel, type VectorField } from '../io/panels.js';
import { viewOf, type View } from '../io/shading.js';
import type { ScoreModel } from '../score/model.js';
import { likelihood } from './likelihood.js';
import { sample } from './sample.js';
import { fixedStep } from '../solvers/fixed-step.js';

export interface PlaneOptions {
  /** Points of the data [n, 2], which also choose what part of the plane is shown. */
  readonly data: Float32Array;
  /** Noise-to-signal ratios sigma / alpha at which density and score are shown. Default 0.05, 0.2, 0.5, 1.5. */
  readonly noise?: readonly number[];
  /** Cells along an edge, for each of which the density is computed. Default 64. */
  readonly bins?: number;
  /** Samples drawn. Default 4000. */
  readonly count?: number;
  readonly signal?: AbortSignal;
  /** Called with the share of the work that is done, from 0 to 1. */
  readonly onProgress?: (fraction: number) => void;
}

/**
 * Writes a picture of a score model of the plane as a PNG file: data, samples, and for several noise levels the density of
 * the probability-flow ODE with arrows of the field sigma times score.
 *
 * @throws OptionError for a model of another shape than [2].
 */
export async function writePlane(path: string, model: ScoreModel, options: PlaneOptions): Promise<void> {
  if (model.shape.join() !== '2')
    throw new OptionError('model', model.shape, 'a model of points, of shape [2]');
  const { data, noise = [0.05, 0.2, 0.5, 1.5], bins = 64, count = 4000, signal, onProgress } = options;
  const view = viewOf(data);
  const stop = signal ? { signal } : {};
  const { samples } = await sample(model, {
    count,
    batch: Math.min(count, 4096),
    solver: fixedStep({ steps: 50, spacing: 'uniform-lambda' }),
    ...stop,
  });
  const panels: Panel[] = [
    { title: 'data', points: data.subarray(0, 2 * count) },
    { title: 'samples of the model', points: samples },
  ];
  for (const [i, ratio] of noise.entries()) {
    const t = model.sde.timeOfLambda(-Math.log(ratio));
    panels.push({
      title: `density and score, σ/α = ${ratio}`,
      density: await densityOn(view, bins, model, t, signal),
      field: await fieldOn(view, 22, model, t),
    });
    onProgress?.((i + 1) / noise.length);
  }
  await writePanels(path, { panels, view });
}

/** The density p_t at the centres of bins x bins cells, row by row from the top. */
export async function densityOn(
  view: View,
  bins: number,
  model: ScoreModel,
  t: number,
  signal?: AbortSignal,
): Promise<Float64Array> {
  const { logDensity } = await likelihood(model, centres(view, bins), {
    epsilon: t,
    rtol: 1e-3,
    atol: 1e-3,
    batch: 4096,
    ...(signal && { signal }),
  });
  return logDensity.map(Math.exp);
}

/** sigma(t) times the score at the centres of cells x cells cells. */
async function fieldOn(view: View, cells: number, model: ScoreModel, t: number): Promise<VectorField> {
  const places = centres(view, cells);
  const output = new Float32Array(places.length);
  await model.evaluate(places, { t: new Float64Array(cells * cells).fill(t) }, output);
  const { state, output: factor } = model.coefficients(t);
  const sigma = model.sde.sigma(t);
  return { places, vectors: output.map((value, i) => sigma * (state * places[i]! + factor * value)) };
}

function centres({ left, bottom, extent }: View, cells: number): Float32Array {
  const step = extent / cells;
  return Float32Array.from({ length: 2 * cells * cells }, (_, i) => {
    const cell = Math.floor(i / 2);
    return i % 2 === 0
      ? left + ((cell % cells) + 0.5) * step
      : bottom + extent - (Math.floor(cell / cells) + 0.5) * step;
  });
}
