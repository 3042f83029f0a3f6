import { Stream, type State } from '../device/binding.js';
import type { Elements } from '../device/device.js';
import { NonFiniteScoreError } from '../errors.js';
import type { ScoreModel } from '../score/model.js';
import { elementCount } from '../shape.js';
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
    const { device } = batch;
    const [estimates, previous, means, parted] = [batch.like(), batch.like(), batch.like(), batch.like()];
    const maps = boundSpectrum(spectrum, device);
    const place = (width: number) => device.allocate(rows * width, 'double');
    const [wide, shift, coordinates] = [place(d), place(d), place(rank)];
    /** The coordinates that were measured, of states in single precision; `wide` has them in double then. */
    const coordinatesOf = async (states: Elements): Promise<Float64Array> => {
      device.copy(wide, states);
      await maps.coordinates(coordinates, wide);
      return (await device.read(coordinates)) as Float64Array;
    };
    /** Coordinates that were measured, of all rows: of the means of a step, and of the states. */
    const [centres, measured] = [new Float64Array(rows * rank), new Float64Array(rows * rank)];
    /** x <- alpha (mean + sqrt(variance) z), but for what was measured, which moves given y. */
    const move = async (
      mean: Elements,
      parents: Int32Array,
      variance: number,
      { alpha }: Level,
      G: Potential,
      place: { readonly step: number; readonly stream: number },
    ): Promise<void> => {
      const scale = Math.sqrt(variance);
      const coefficients = Float64Array.from(
        { length: 2 * size },
        (_, i) => alpha * (i % 2 === 0 ? 1 : scale),
      );
      for (let particle = 0; particle < K; particle++) {
        const own = (of: Elements) => device.rows(of, d, particle * size, size);
        const address = { seed, samples: first, particle, ...place };
        device.affine(own(batch.x), [own(mean)], coefficients, address);
      }
      // What was drawn for them becomes the noise of their move given y, and then what they have to change by.
      const change = await coordinatesOf(batch.x);
      for (let row = 0; row < rows; row++) {
        const value = y[row % size]!;
        for (let i = 0; i < rank; i++) {
          const at = row * rank + i;
          const m = centres[parents[row]! * rank + i]!;
          const [gain, spread] = [G.gain[i]!, G.variance[i]!];
          const total = gain * gain * variance + spread;
          const k = (gain * variance) / total;
          const noise = (change[at]! / alpha - m) / scale;
          const u =
            m + k * (value[i]! - G.offset[i]! - gain * m) + Math.sqrt((variance * spread) / total) * noise;
          measured[at] = u;
          change[at] = alpha * u - change[at]!;
        }
      }
      device.write(coordinates, change);
      await maps.sample(shift, coordinates);
      device.affine(wide, [wide, shift], Float64Array.of(1, 1, 0));
      device.copy(batch.x, wide);
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
    const own = Int32Array.from({ length: rows }, (_, row) => row);
    await move(means, own, prior, top, G, { step: 0, stream: Stream.prior });
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
      centres.set(await coordinatesOf(means));
      for (let row = 0; row < rows; row++) {
        const own = (of: Float64Array) => of.subarray(row * rank, (row + 1) * rank);
        systems.weigh(
          row,
          logPotential(row, own(centres), next, variance) - logPotential(row, own(measured), G, 0),
        );
      }
      const parents = systems.parents(k);
      device.gather(previous, estimates, parents);
      device.gather(parted, means, parents);
      await move(parted, parents, variance, to, next, { step: k, stream: Stream.predictor });
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
