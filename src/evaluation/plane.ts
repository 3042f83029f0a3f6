import { levelAt, type Level } from '../sde/level.js';
import { OptionError } from '../errors.js';
import { checkInteger, checkKnown } from '../options.js';
import { writePanels, type Panel, type VectorField } from '../io/panels.js';
import { viewOf, type View } from '../io/shading.js';
import type { ScoreModel } from '../score/model.js';
import { likelihood } from '../likelihood/likelihood.js';
import { sample } from '../sampling/sample.js';
import { pathOf, type FilePath } from '../io/path.js';

/** What is shown beside the density of a model of planar data. */
export interface PlaneOptions {
  /** PointSet of the data [n, 2], which also choose what part of the plane is shown. */
  readonly data: Float32Array;
  /** Their classes, for a model with a class input: shown is the mixture of its classes in the shares of the data. */
  readonly labels?: Int32Array | undefined;
  /** Noise-to-signal ratios sigma / alpha at which density and score are shown. Default 0.05, 0.2, 0.5, 1.5. */
  readonly noise?: readonly number[] | undefined;
  /** Cells along an edge, for each of which the density is computed. Default 64, or 40 for a model with a class input. */
  readonly bins?: number | undefined;
  /** Samples drawn. Default 4000. */
  readonly count?: number | undefined;
  /** Stops the work with an AbortError. */
  readonly signal?: AbortSignal | undefined;
  /** Called with the share of the work that is done, from 0 to 1. */
  readonly onProgress?: ((fraction: number) => void) | undefined;
}

const optionNames = Object.keys({
  ...{ data: 1, labels: 1, noise: 1, bins: 1, count: 1, signal: 1, onProgress: 1 },
} satisfies Record<keyof PlaneOptions, 1>);

/** A model's class and its share of the data; without a label, all of a model that knows no classes. */
export interface Component {
  readonly label?: number | undefined;
  readonly share: number;
}

/**
 * Writes a picture of a score model of the plane as a PNG file: data, samples, and for several noise levels the density of
 * the probability-flow ODE with arrows of the field sigma times score.
 *
 * @throws OptionError for a model of another shape than [2], and for labels that do not fit the model.
 */
export async function writePlane(file: FilePath, model: ScoreModel, options: PlaneOptions): Promise<void> {
  const path = pathOf('path', file);
  checkKnown(options, optionNames);
  if (model.shape.join() !== '2')
    throw new OptionError('model', model.shape, 'a model of points, of shape [2]');
  const { data, labels, noise = [0.05, 0.2, 0.5, 1.5], count = 4000, signal, onProgress } = options;
  const components = componentsOf(labels);
  const { bins = components.length === 1 ? 64 : 40 } = options;
  checkInteger('bins', bins, 1, 4096);
  const view = viewOf(data);
  const { samples } = await sample(model, {
    count,
    batch: Math.min(count, 4096),
    solver: 'heun',
    steps: 50,
    grid: 'uniform-lambda',
    classLabel:
      labels &&
      Int32Array.from({ length: count }, (_, i) => labels[Math.floor((i * labels.length) / count)]!),
    signal,
  });
  const panels: Panel[] = [
    { title: 'data', points: data.subarray(0, 2 * count) },
    { title: 'samples of the model', points: samples },
  ];
  for (const [i, ratio] of noise.entries()) {
    const t = model.sde.timeOfLambda(-Math.log(ratio));
    panels.push({
      title: `density and score, σ/α = ${ratio}`,
      density: await densityOn(view, bins, model, t, components, signal),
      field: await fieldOn(view, 22, model, t, components, signal),
    });
    onProgress?.((i + 1) / noise.length);
  }
  await writePanels(path, { panels, view });
}

function componentsOf(labels: Int32Array | undefined): readonly Component[] {
  if (labels === undefined) return [{ share: 1 }];
  const counts = new Map<number, number>();
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  return Array.from(counts, ([label, count]) => ({ label, share: count / labels.length }));
}

/** The density p_t at the centres of bins x bins cells, row by row from the top. */
export async function densityOn(
  view: View,
  bins: number,
  model: ScoreModel,
  t: number,
  components: readonly Component[] = componentsOf(undefined),
  signal?: AbortSignal,
): Promise<Float64Array> {
  const density = new Float64Array(bins * bins);
  for (const component of components) {
    const logDensity = await logDensityAt(centres(view, bins), model, t, component, signal);
    logDensity.forEach((value, i) => (density[i]! += Math.exp(value)));
  }
  return density;
}

/** ln p_t at the places, with the component's share. */
async function logDensityAt(
  places: Float32Array,
  model: ScoreModel,
  t: number,
  { label, share }: Component,
  signal?: AbortSignal,
): Promise<Float64Array> {
  const { logDensity } = await likelihood(model, places, {
    epsilon: t,
    rtol: 1e-3,
    atol: 1e-3,
    batch: 4096,
    classLabel: label,
    signal,
  });
  return logDensity.map((value) => value + Math.log(share));
}

/** sigma(t) times the score at the centres of cells x cells cells: of a mixture, the mean over p(component | x). */
export async function fieldOn(
  view: View,
  cells: number,
  model: ScoreModel,
  t: number,
  components: readonly Component[],
  signal?: AbortSignal,
): Promise<VectorField> {
  const places = centres(view, cells);
  const count = cells * cells;
  const level = levelAt(model, t);
  const { state, output: factor } = model.coefficients(level);
  const vectors = new Float32Array(places.length);
  const output = new Float32Array(places.length);
  const posterior = await posteriorAt(places, model, t, components, signal);
  for (const [k, { label }] of components.entries()) {
    const labels = label === undefined ? undefined : new Int32Array(count).fill(label);
    await model.evaluate(places, new Array<Level>(count).fill(level), output, labels);
    vectors.forEach((_, i) => {
      const score = state * places[i]! + factor * output[i]!;
      vectors[i]! += posterior[k]![i >> 1]! * level.sigma * score;
    });
  }
  return { places, vectors };
}

/** p(component | x_t) at the places, for each component. */
async function posteriorAt(
  places: Float32Array,
  model: ScoreModel,
  t: number,
  components: readonly Component[],
  signal?: AbortSignal,
): Promise<Float64Array[]> {
  if (components.length === 1) return [new Float64Array(places.length / 2).fill(1)];
  const joint: Float64Array[] = [];
  for (const component of components) joint.push(await logDensityAt(places, model, t, component, signal));
  return joint.map((own) =>
    own.map((value, i) => 1 / joint.reduce((sum, other) => sum + Math.exp(other[i]! - value), 0)),
  );
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
