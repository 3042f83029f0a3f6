import { Stream, type State } from '../device/binding.js';
import type { Elements } from '../device/device.js';
import { NonFiniteScoreError } from '../errors.js';
import type { ScoreModel } from '../score/model.js';
import type { Level } from '../sde/level.js';
import { Batch } from '../solvers/batch.js';
import { addRuns, type Counts } from '../solvers/counts.js';
import { boundSpectrum } from './bound-operator.js';
import { dot, type Known } from './measurement.js';
import type { Spectrum } from './operator.js';
import { ParticleSystems } from './particle-systems.js';
import {
  chainStep,
  denoised,
  logNormal,
  repeated,
  spreadOf,
  squaredRatio,
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
  const rows = K * size;
  const spectrum = known.operator.spectrum();
  const potentialAt = potentials(model, known, spectrum, levels.at(-1)!);
  const batch = new Batch(model, {
    size: rows,
    first,
    seed,
    labels: labels && repeated(labels, K),
    selfConditioned: false,
    signal,
  });
  try {
    const { device } = batch;
    const [estimates, previous, means, parted] = [batch.like(), batch.like(), batch.like(), batch.like()];
    const cloud = new Cloud(batch, known, options);
    const top = levels[0]!;
    const prior = (model.sde.priorSigma / top.alpha) ** 2;
    let G = potentialAt(top);
    const start = Array.from({ length: size }, (_, b) => cloud.logMean(b, cloud.centres, prior, G));
    const systems = new ParticleSystems(
      options,
      start.map((log, b) => offsetOf(known, spectrum, b) + log),
    );
    const own = Int32Array.from({ length: rows }, (_, row) => row);
    await cloud.move(means, own, prior, top, G, { step: 0, stream: Stream.prior });
    for (const [k, to] of levels.slice(1).entries()) {
      const from = levels[k]!;
      await evaluate(batch, from, k, size);
      batch.estimate(estimates);
      const { kept, variance, extrapolated } = chainStep(levels, k);
      batch.combine(
        means,
        [batch.x, estimates, previous],
        [kept / from.alpha, (1 - kept) * (1 + extrapolated), -(1 - kept) * extrapolated],
      );
      const next = potentialAt(to);
      await cloud.centre(means);
      for (let row = 0; row < rows; row++) {
        const worth = cloud.logMean(row, cloud.centres, variance, next);
        systems.weigh(row, worth - cloud.logMean(row, cloud.places, 0, G));
      }
      const parents = systems.parents(k);
      device.gather(previous, estimates, parents);
      device.gather(parted, means, parents);
      await cloud.move(parted, parents, variance, to, next, { step: k, stream: Stream.predictor });
      G = next;
      options.onStep(k + 1);
    }
    const last = (await batch.read()) as Float32Array;
    const { samples, networks } = await denoised(model, systems.pick(last, levels.length), options);
    keep(samples, known, spectrum, size);
    const counts: Counts = { ...batch.counts, score: K * batch.counts.score, denoise: 1, networks };
    for (const [network, runs] of Object.entries(batch.counts.networks))
      addRuns(networks, { [network]: K * runs });
    return { samples, counts, ...systems.figures };
  } finally {
    await batch.close();
  }
}

/** The particles of all samples, which are the rows of a batch, in the coordinates u = V^T x / alpha that were measured. */
class Cloud {
  /** u of the means of a step, [rows, rank]; 0 before the first. */
  readonly centres: Float64Array;
  /** u of the states, [rows, rank]. */
  readonly places: Float64Array;
  readonly #batch: Batch;
  readonly #options: ParticleOptions;
  /** What was measured of each sample, in these coordinates. */
  readonly #y: readonly Float64Array[];
  readonly #rank: number;
  readonly #maps: ReturnType<typeof boundSpectrum>;
  /** Room for states, for changes of them, and for coordinates; double. */
  readonly #wide: Elements;
  readonly #shift: Elements;
  readonly #coordinates: Elements;

  constructor(batch: Batch, { operator, of }: Known, options: ParticleOptions) {
    const { device } = batch;
    const spectrum = operator.spectrum();
    const { values } = spectrum;
    const length = batch.size * values.length;
    this.#batch = batch;
    this.#options = options;
    this.#rank = values.length;
    this.#y = Array.from({ length: options.size }, (_, b) =>
      spectrum.measured(of(b)).map((value, i) => value / values[i]!),
    );
    this.#maps = boundSpectrum(spectrum, device);
    this.#wide = device.allocate(batch.x.length, 'double');
    this.#shift = device.allocate(batch.x.length, 'double');
    this.#coordinates = device.allocate(length, 'double');
    this.centres = new Float64Array(length);
    this.places = new Float64Array(length);
  }

  /** Takes the means of a step over alpha, single. */
  async centre(means: Elements): Promise<void> {
    this.centres.set(await this.#coordinatesOf(means));
  }

  /** The logarithm of the mean of G over N(u, variance), for a row of u. */
  logMean(row: number, u: Float64Array, variance: number, G: Potential): number {
    const y = this.#y[row % this.#y.length]!;
    let sum = 0;
    for (let i = 0; i < this.#rank; i++) {
      const gain = G.gain[i]!;
      const off = y[i]! - G.offset[i]! - gain * u[row * this.#rank + i]!;
      sum += logNormal(off, gain * gain * variance + G.variance[i]!);
    }
    return sum;
  }

  /** x <- alpha (mean + sqrt(variance) z), but for what was measured, which moves given y. */
  async move(
    mean: Elements,
    parents: Int32Array,
    variance: number,
    { alpha }: Level,
    G: Potential,
    address: { readonly step: number; readonly stream: number },
  ): Promise<void> {
    const { device, x } = this.#batch;
    const scale = Math.sqrt(variance);
    this.#draw(mean, alpha, alpha * scale, address);
    // What was drawn for them becomes the noise of their move given y, and then what they have to change by.
    const change = await this.#coordinatesOf(x);
    for (let row = 0; row < parents.length; row++) {
      const y = this.#y[row % this.#y.length]!;
      for (let i = 0; i < this.#rank; i++) {
        const at = row * this.#rank + i;
        const m = this.centres[parents[row]! * this.#rank + i]!;
        const z = (change[at]! / alpha - m) / scale;
        const u = drawGiven(y[i]!, m, variance, z, G.gain[i]!, G.offset[i]!, G.variance[i]!);
        this.places[at] = u;
        change[at] = alpha * u - change[at]!;
      }
    }
    device.write(this.#coordinates, change);
    await this.#maps.sample(this.#shift, this.#coordinates);
    device.affine(this.#wide, [this.#wide, this.#shift], Float64Array.of(1, 1, 0));
    device.copy(x, this.#wide);
  }

  /** x <- factor mean + scale z; the noise of a particle has an address of its own. */
  #draw(
    mean: Elements,
    factor: number,
    scale: number,
    address: { readonly step: number; readonly stream: number },
  ): void {
    const { device, x } = this.#batch;
    const { particles, size, first, seed } = this.#options;
    const d = x.length / this.#batch.size;
    const coefficients = Float64Array.from({ length: 2 * size }, (_, i) => (i % 2 === 0 ? factor : scale));
    for (let particle = 0; particle < particles; particle++) {
      const own = (of: Elements) => device.rows(of, d, particle * size, size);
      const noise = { seed, samples: first, particle, ...address };
      device.affine(own(x), [own(mean)], coefficients, noise);
    }
  }

  /** The coordinates that were measured, of states in single precision; the room for states has them in double then. */
  async #coordinatesOf(states: Elements): Promise<Float64Array> {
    this.#batch.device.copy(this.#wide, states);
    await this.#maps.coordinates(this.#coordinates, this.#wide);
    return (await this.#batch.device.read(this.#coordinates)) as Float64Array;
  }
}

/**
 * A draw of u ~ N(m, variance) given that y ~ N(offset + gain u, spread), made of z ~ N(0, 1): the update of a Kalman filter.
 */
function drawGiven(
  y: number,
  m: number,
  variance: number,
  z: number,
  gain: number,
  offset: number,
  spread: number,
): number {
  const total = gain * gain * variance + spread;
  const k = (gain * variance) / total;
  return m + k * (y - offset - gain * m) + Math.sqrt((variance * spread) / total) * z;
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
