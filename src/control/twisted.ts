import { Stream } from '../device/binding.js';
import { fillNormal } from '../device/kernels.js';
import { NonFiniteScoreError, OptionError } from '../errors.js';
import type { ScoreModel } from '../score/model.js';
import { elementCount } from '../shape.js';
import type { Level } from '../sde/level.js';
import { addRuns, costAt, noCounts } from '../solvers/counts.js';
import type { Denoiser } from './denoiser.js';
import type { Known } from './measurement.js';
import type { DifferentiableOperator } from './operator.js';
import { ParticleSystems } from './particle-systems.js';
import {
  chainStep,
  denoised,
  gathered,
  logNormal,
  repeated,
  spreadOf,
  squaredRatio,
  stepMeans,
  type ParticleOptions,
  type Particles,
} from './particles.js';

/** Points around an estimate of x_0 at which A is looked at, two by two on opposite sides. */
export const POINTS = 8;

/** What particles are worth at a level, and where they are led. */
interface Twists {
  /** Estimates of x_0 of all rows. */
  readonly estimates: Float64Array;
  /** ln p_t(y | x) up to the error of the approximation, of every row. */
  readonly logs: Float64Array;
  /** What the estimate of x_0 gains from y, of every row. */
  readonly shifts: Float64Array;
}

/**
 * A particle filter for measurements that need not be linear: the twisted diffusion sampler (Wu et al. 2023). A particle x at a level is
 * worth the likelihood of y for x_0 near its estimate, N(y; mean, variance + noise^2), with mean and variance those of A at points
 * whose distance from the estimate is that of x_0 for normal data of the model's spread; the gradient of its logarithm, through the Jacobians of A and of the
 * estimate, leads the step of the model's chain towards y, and weights make up for it. At the last
 * level a particle is worth the likelihood itself, so that the last law is the posterior and the mean weights estimate p(y) without bias,
 * however good the approximation before.
 *
 * @param known measurements of these samples, in order; their noise is above zero.
 */
export async function twistedParticleFilter(
  model: ScoreModel,
  denoiser: Denoiser,
  known: Known<DifferentiableOperator>,
  options: ParticleOptions,
): Promise<Particles> {
  const { particles: K, levels, size, first, labels, signal } = options;
  const { operator, noise, of } = known;
  const d = elementCount(model.shape);
  const m = elementCount(operator.measuredShape);
  const rows = K * size;
  const end = levels.at(-1)!;
  const { deviations } = spreadOf(model);
  const classes = labels && repeated(labels, K);
  const y = Array.from({ length: size }, (_, b) => of(b));
  const systems = new ParticleSystems(options, new Float64Array(size));
  const { device } = denoiser;
  const [pull, shift] = [device.allocate(rows * d, 'double'), device.allocate(rows * d, 'double')];
  const directions = new Float64Array((POINTS / 2) * d);
  fillNormal(directions, POINTS / 2, { seed: 0n, samples: 0, step: 0, stream: Stream.probeNormal });

  /** Values of A, a row for each: those of a user may be infinite. */
  const imagesOf = async (points: Float64Array): Promise<Float64Array> => {
    const images = await operator.images(points, signal);
    const bad = images.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0)
      throw new OptionError(
        'measurement.operator',
        operator.name,
        `finite near samples; it gave ${images[bad]}`,
      );
    return images;
  };

  const twist = async (x: Float32Array, level: Level, step: number): Promise<Twists> => {
    const { t } = level;
    const all = { levels: new Array<Level>(rows).fill(level), labels: classes, signal };
    const here = await denoiser.at(x, all);
    const estimates = (await device.read(here.estimate)) as Float64Array;
    const bad = estimates.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) throw new NonFiniteScoreError(step, first + (Math.floor(bad / d) % size), t);
    const free = Math.max(0, squaredRatio(level) - squaredRatio(end));
    const widths = deviations.map((deviation) => deviation * Math.sqrt(free / (deviation ** 2 + free)));
    const points = pointsAround(estimates, widths, directions);
    const { logs, pulls } = likelihoods(await imagesOf(points), y, rows, noise);
    const pulled = await operator.products(points, pulls, signal);
    const gradient = new Float64Array(rows * d);
    for (let i = 0; i < pulled.length; i++) gradient[i % gradient.length]! += pulled[i]!;
    device.write(pull, gradient);
    await here.product(shift, pull, ({ alpha, sigma }) => sigma ** 2 / alpha);
    return { estimates, logs, shifts: (await device.read(shift)) as Float64Array };
  };

  const z = new Float32Array(rows * d);
  const x = new Float32Array(rows * d);
  /** The value of each particle at the last level, and what its step was off the model's own. */
  const [worth, drift] = [new Float64Array(rows), new Float64Array(rows)];
  const weigh = (logs: Float64Array): void => {
    logs.forEach((log, row) => {
      systems.weigh(row, log - worth[row]! + drift[row]!);
    });
  };

  systems.drawNormals(z, 0, Stream.prior);
  x.set(z.map((value) => model.sde.priorSigma * value));
  const counts = noCounts();
  let previous: Float64Array = new Float64Array(rows * d);
  for (const [k, to] of levels.slice(1).entries()) {
    signal?.throwIfAborted();
    const from = levels[k]!;
    const { estimates, logs, shifts } = await twist(x, from, k);
    addRuns(counts.networks, { ...costAt(model, from), derivative: 1 }, K);
    weigh(logs);
    const parents = systems.parents(k);
    const step = chainStep(levels, k);
    const scale = Math.sqrt(step.variance);
    const means = gathered(stepMeans(step, from.alpha, x, estimates, previous), parents);
    previous = gathered(estimates, parents);
    systems.drawNormals(z, k, Stream.predictor);
    parents.forEach((parent, row) => {
      let [off, along] = [0, 0];
      for (let e = 0; e < d; e++) {
        const own = row * d + e;
        const led = (1 - step.kept) * shifts[parent * d + e]!;
        off += led * led;
        along += led * z[own]!;
        x[own] = to.alpha * (means[own]! + led + scale * z[own]!);
      }
      worth[row] = logs[parent]!;
      // ln of the model's own transition over the one that was led.
      drift[row] = -(off / 2 + scale * along) / step.variance;
    });
    options.onStep(k + 1);
  }
  const images = await imagesOf(Float64Array.from(x, (value) => value / end.alpha));
  weigh(
    Float64Array.from({ length: rows }, (_, row) => {
      const value = y[row % size]!;
      return value.reduce((sum, v, k) => sum + logNormal(v - images[row * m + k]!, noise ** 2), 0);
    }),
  );
  const { samples, networks } = await denoised(model, systems.pick(x, levels.length), options);
  addRuns(counts.networks, networks);
  return {
    samples,
    counts: { ...counts, score: K * (levels.length - 1), denoise: 1 },
    ...systems.figures,
  };
}

/**
 * Points around estimates of x_0 [rows, d], two by two on opposite sides of them: [POINTS, rows, d].
 *
 * @param widths how far in each element, [d].
 * @param directions standard normal, [POINTS / 2, d], the same for all rows.
 */
function pointsAround(estimates: Float64Array, widths: Float64Array, directions: Float64Array): Float64Array {
  const d = widths.length;
  const points = new Float64Array(POINTS * estimates.length);
  for (let j = 0; j < POINTS; j++)
    for (let i = 0; i < estimates.length; i++) {
      const change = widths[i % d]! * directions[(j >> 1) * d + (i % d)]!;
      points[j * estimates.length + i] = estimates[i]! + (j % 2 === 0 ? change : -change);
    }
  return points;
}

/**
 * The likelihood of y for images that are normal, with mean and variance those of A at the points of a row.
 *
 * @param images A at the points, [POINTS, rows, m].
 * @param y of each sample, [size][m]; row r is one of sample r % size.
 * @returns its logarithm for each row, and how that changes with the images, the variance held: [POINTS, rows, m].
 */
function likelihoods(
  images: Float64Array,
  y: readonly Float64Array[],
  rows: number,
  noise: number,
): { readonly logs: Float64Array; readonly pulls: Float64Array } {
  const m = images.length / (POINTS * rows);
  const logs = new Float64Array(rows);
  const pulls = new Float64Array(images.length);
  for (let row = 0; row < rows; row++) {
    const value = y[row % y.length]!;
    for (let k = 0; k < m; k++) {
      const at = (j: number) => (j * rows + row) * m + k;
      let [mean, variance] = [0, 0];
      for (let j = 0; j < POINTS; j++) mean += images[at(j)]! / POINTS;
      for (let j = 0; j < POINTS; j++) variance += (images[at(j)]! - mean) ** 2 / (POINTS - 1);
      const total = variance + noise ** 2;
      logs[row]! += logNormal(value[k]! - mean, total);
      for (let j = 0; j < POINTS; j++) pulls[at(j)] = (value[k]! - mean) / total / POINTS;
    }
  }
  return { logs, pulls };
}
