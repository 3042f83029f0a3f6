import { Stream, type State } from '../device/binding.js';
import { NonFiniteScoreError } from '../errors.js';
import type { ScoreModel } from '../score/model.js';
import { elementCount } from '../shape.js';
import type { Level } from '../sde/level.js';
import { Batch } from '../solvers/batch.js';
import { addRuns, type Counts } from '../solvers/counts.js';
import { dot, type Known } from './measurement.js';
import type { Spectrum } from './operator.js';
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

/**
 * A particle filter for linear measurements, after MCGdiff (Cardoso, Janati, Le Corff and Moulines 2023). With rho = sigma / alpha and
 * x / alpha = x_0 + rho n, particles at a level follow p(x) prod G(u) over the coordinates u of V^T x / alpha that were measured as y
 * with noise of variance r^2. G is the likelihood of y for data that are normal in u, with mean m and variance S:
 *
 *     G(u) = N(y; m + g (u - m), g rho^2 + r^2) with g = S / (S + rho^2),
 *
 * which at the end is the likelihood itself, so that the last law is the posterior and the mean weights estimate p(y) without bias,
 * whatever m and S; these make the weights equal. MCGdiff has S infinite, which spends particles where rho is above the spread of data,
 * and rho^2 - r^2 in place of g rho^2 + r^2 down to rho = r, so that its levels have to hold every r.
 *
 * A step of the model's chain has a mean and a variance in each coordinate. Particles are weighted by the mean of the next G under it
 * over the last G, drawn anew where the weights are too unequal, and moved by the step conditioned on y.
 *
 * @param known measurements of these samples, in order.
 */
export async function particleFilter(
  model: ScoreModel,
  known: Known,
  options: ParticleOptions,
): Promise<Particles> {
  const { particles: K, levels, size, first, seed, labels, signal } = options;
  const d = elementCount(model.shape);
  const rows = K * size;
  const spectrum = known.operator.spectrum();
  const rank = spectrum.values.length;
  const potentialAt = potentials(model, known, spectrum, levels.at(-1)!);
  const y = Array.from({ length: size }, (_, b) =>
    spectrum.measured(known.of(b)).map((value, i) => value / spectrum.values[i]!),
  );
  const batch = new Batch(model, {
    size: rows,
    first,
    seed,
    labels: labels && repeated(labels, K),
    selfConditioned: false,
    signal,
  });
  try {
    const x = new Float32Array(rows * d);
    const z = new Float32Array(rows * d);
    const measured = new Float64Array(rows * rank);
    /** x <- alpha (mean + sqrt(variance) z), but for what was measured, which moves given y. */
    const move = (mean: Float64Array, variance: number, alpha: number, G: Potential): void => {
      const scale = Math.sqrt(variance);
      for (let row = 0; row < rows; row++) {
        const at = row * d;
        const noise = spectrum.coordinates(Float64Array.from(z.subarray(at, at + d)));
        const centre = spectrum.coordinates(mean.slice(at, at + d));
        const value = y[row % size]!;
        const change = centre.map((m, i) => {
          const [gain, spread] = [G.gain[i]!, G.variance[i]!];
          const total = gain * gain * variance + spread;
          const k = (gain * variance) / total;
          const u =
            m +
            k * (value[i]! - G.offset[i]! - gain * m) +
            Math.sqrt((variance * spread) / total) * noise[i]!;
          measured[row * rank + i] = u;
          return u - m - scale * noise[i]!;
        });
        const shift = spectrum.sample(change);
        for (let e = 0; e < d; e++) x[at + e] = alpha * (mean[at + e]! + scale * z[at + e]! + shift[e]!);
      }
    };
    /** The logarithm of the mean of G over N(u, variance), of a row. */
    const logPotential = (row: number, u: Float64Array, G: Potential, variance: number): number => {
      const value = y[row % size]!;
      let sum = 0;
      for (let i = 0; i < rank; i++) {
        const gain = G.gain[i]!;
        sum += logNormal(value[i]! - G.offset[i]! - gain * u[i]!, gain * gain * variance + G.variance[i]!);
      }
      return sum;
    };

    const top = levels[0]!;
    const prior = (model.sde.priorSigma / top.alpha) ** 2;
    let G = potentialAt(top);
    const systems = new ParticleSystems(
      options,
      Float64Array.from(
        y,
        (_, b) => offsetOf(known, spectrum, b) + logPotential(b, new Float64Array(rank), G, prior),
      ),
    );
    systems.drawNormals(z, 0, Stream.prior);
    move(new Float64Array(rows * d), prior, top.alpha, G);
    const place = batch.like();
    let previous: Float64Array = new Float64Array(rows * d);
    for (const [k, to] of levels.slice(1).entries()) {
      const from = levels[k]!;
      batch.write(x);
      await evaluate(batch, from, k, size);
      batch.estimate(place);
      const estimates = Float64Array.from(await batch.read(place));
      const step = chainStep(levels, k);
      const means = stepMeans(step, from.alpha, x, estimates, previous);
      const next = potentialAt(to);
      for (let row = 0; row < rows; row++) {
        const centre = spectrum.coordinates(means.slice(row * d, (row + 1) * d));
        const before = measured.subarray(row * rank, (row + 1) * rank);
        const gain = logPotential(row, centre, next, step.variance) - logPotential(row, before, G, 0);
        systems.weigh(row, gain);
      }
      const parents = systems.parents(k);
      previous = gathered(estimates, parents);
      systems.drawNormals(z, k, Stream.predictor);
      move(gathered(means, parents), step.variance, to.alpha, next);
      G = next;
      options.onStep(k + 1);
    }
    const { samples, networks } = await denoised(model, systems.pick(x, levels.length), options);
    keep(samples, known, spectrum, size);
    const counts: Counts = { ...batch.counts, score: K * batch.counts.score, denoise: 1, networks };
    for (const [network, runs] of Object.entries(batch.counts.networks))
      addRuns(networks, { [network]: K * runs });
    return { samples, counts, ...systems.figures };
  } finally {
    await batch.close();
  }
}

/** G(u) = N(y; offset + gain u, variance), of every measured coordinate. */
interface Potential {
  readonly gain: Float64Array;
  readonly offset: Float64Array;
  readonly variance: Float64Array;
}

/** G at each level, from the moments of the data where they are known, else from bounds by their range. */
function potentials(
  model: ScoreModel,
  { noise }: Known,
  spectrum: Spectrum,
  end: Level,
): (level: Level) => Potential {
  const spread = spreadOf(model);
  const means = spectrum.coordinates(spread.mean);
  const deviations = spectrum.deviations(spread.deviations);
  return (level) => {
    const free = Math.max(0, squaredRatio(level) - squaredRatio(end));
    const gain = deviations.map((deviation) => deviation ** 2 / (deviation ** 2 + free));
    return {
      gain,
      offset: gain.map((g, i) => (1 - g) * means[i]!),
      variance: gain.map((g, i) => g * free + (noise / spectrum.values[i]!) ** 2),
    };
  };
}

/** The part of ln p(y) that no particle has to do with: the change of variables to coordinates, and what A cannot reach. */
function offsetOf({ of, noise }: Known, spectrum: Spectrum, sample: number): number {
  const y = of(sample);
  const u = spectrum.measured(y);
  let offset = 0;
  for (const value of spectrum.values) offset -= Math.log(value);
  if (noise === 0 || spectrum.unreached === 0) return offset;
  const residual = Math.max(0, dot(y, y) - dot(u, u));
  return offset - residual / (2 * noise ** 2) - (spectrum.unreached / 2) * Math.log(2 * Math.PI * noise ** 2);
}

/** An error names the sample, not the row. */
async function evaluate(batch: Batch, level: Level, step: number, size: number): Promise<void> {
  try {
    await batch.evaluate(level, step);
    await batch.settled();
  } catch (error) {
    if (!(error instanceof NonFiniteScoreError)) throw error;
    throw new NonFiniteScoreError(step, batch.first + ((error.sample - batch.first) % size), level.t);
  }
}

/** Without noise, what was measured is as it was measured. */
function keep(samples: State, { noise, of }: Known, spectrum: Spectrum, size: number): void {
  if (noise > 0) return;
  const d = samples.length / size;
  for (let b = 0; b < size; b++) {
    const y = spectrum.measured(of(b));
    const own = samples.subarray(b * d, (b + 1) * d);
    const u = spectrum.coordinates(Float64Array.from(own));
    spectrum
      .sample(u.map((value, i) => y[i]! / spectrum.values[i]! - value))
      .forEach((change, e) => (own[e]! += change));
  }
}
