import { DataError, OptionError } from '../errors.js';
import { Stream } from '../device/binding.js';
import { affine } from '../device/kernels.js';
import { checkInteger, checkKnown } from '../options.js';
import type { ScoreModel } from '../score/model.js';
import { SIGMA_DATA } from '../score/parameterization.js';
import { spacedTimes } from '../sde/grid.js';
import { levelAt, type Level } from '../sde/level.js';
import { weightingOf, type WeightingOptions } from './weighting.js';
import { elementCount } from '../shape.js';

/** Options of {@link fisherDivergence}. */
export interface FisherDivergenceOptions extends WeightingOptions {
  /** Default: 10 from epsilon to T, evenly spread in lambda. */
  readonly times?: readonly number[];
  /** Unsigned 64-bit seed of the noise; default 0. */
  readonly seed?: bigint;
  /** Rows of one evaluation; default 256. */
  readonly batch?: number;
}

/** How far a score model is from the truth at one time. */
export interface FisherDivergence {
  /** The time. */
  readonly t: number;
  /** lambda(t) E |s_theta - s|^2 per element, x_t being drawn from the data's own law. */
  readonly value: number;
  /** Of the Monte Carlo mean over the samples. */
  readonly standardError: number;
}

/**
 * Explicit score matching as a diagnostic: the Fisher divergence between a score model and the exact score of the data,
 * which is known for a Gaussian mixture (`mixtureModel`), at several times. With the default weighting, sigma^2, it
 * is the mean square error of the noise prediction beyond the unavoidable one.
 *
 * @param truth a model of the same SDE
 * @param x0 samples of the data, [n, ...shape]; all of them are noised anew at every time
 * @throws OptionError for models that do not belong together and for options that cannot be used; DataError for samples of
 *   another shape.
 */
export async function fisherDivergence(
  model: ScoreModel,
  truth: ScoreModel,
  x0: Float32Array | Float64Array,
  options: FisherDivergenceOptions = {},
): Promise<FisherDivergence[]> {
  checkKnown(options, ['times', 'seed', 'batch', 'weighting', 'gamma']);
  const { sde, shape, ladder, parameterization } = model;
  if (ladder !== undefined) {
    throw new OptionError('model', model, 'in continuous time: the truth is not known at trained levels');
  }
  if (truth.shape.join() !== shape.join() || truth.sde.name !== sde.name) {
    throw new OptionError('truth', truth, `of the ${sde.name} SDE and the shape [${shape.join(', ')}]`);
  }
  const elements = elementCount(shape);
  const count = x0.length / elements;
  if (!(Number.isInteger(count) && count > 1)) {
    throw new DataError(`${x0.length} elements are not several samples of shape [${shape.join(', ')}].`, {
      option: 'x0',
      value: x0,
    });
  }
  const { seed = 0n, batch = 256 } = options;
  checkInteger('batch', batch, 1);
  const times = options.times ?? spacedTimes(sde, { steps: 9, grid: 'uniform-lambda' });
  const sigmaData = model.sigmaData ?? sde.constants['sigmaData'] ?? SIGMA_DATA;
  const described = { sde, parameterization, sigmaData };
  const lambda = weightingOf(described, { weighting: 'sigma2', ...options });
  const clean = Float32Array.from(x0);
  const results: FisherDivergence[] = [];
  for (const [k, t] of times.entries()) {
    const level = levelAt(model, t);
    const scale = lambda(level) / elements;
    let [sum, squares] = [0, 0];
    for (let first = 0; first < count; first += batch) {
      const rows = Math.min(batch, count - first);
      const x = clean.slice(first * elements, (first + rows) * elements);
      const coefficients = Float64Array.from({ length: 2 * rows }, (_, i) =>
        i % 2 === 0 ? level.alpha : level.sigma,
      );
      affine(x, [x], coefficients, { seed, samples: first, step: k, stream: Stream.trainingNoise });
      const [ours, exact] = [await scoreAt(model, x, level), await scoreAt(truth, x, level)];
      for (let b = 0; b < rows; b++) {
        let square = 0;
        for (let i = b * elements; i < (b + 1) * elements; i++) square += (ours[i]! - exact[i]!) ** 2;
        sum += scale * square;
        squares += (scale * square) ** 2;
      }
    }
    const value = sum / count;
    const variance = Math.max(0, squares / count - value ** 2);
    results.push({ t, value, standardError: Math.sqrt(variance / (count - 1)) });
  }
  return results;
}

async function scoreAt(model: ScoreModel, x: Float32Array, level: Level): Promise<Float64Array> {
  const rows = x.length / elementCount(model.shape);
  const output = new Float32Array(x.length);
  await model.evaluate(x, new Array<Level>(rows).fill(level), output);
  const { state, output: factor } = model.coefficients(level);
  return Float64Array.from(output, (value, i) => state * x[i]! + factor * value);
}
