import { Stream } from '../../device/binding.js';
import { fillNormal } from '../../device/kernels.js';
import { levelAt, type Level } from '../../sde/level.js';
import { elementCount } from '../../shape.js';
import { inputScale, scoreCoefficients } from '../parameterization.js';
import type { ModelDescription } from './description.js';
import type { LevelReading, Reading } from './findings.js';
import type { Network } from './network.js';

export type Runner = Pick<Network, 'run'>;

/** Elements over which a regression is taken, at least, so that its error is below 5 %. */
const ELEMENTS = 512;

/**
 * Noise in units of half the data range at which images are denoised: from hardly any to nothing else, or as near as the process comes,
 * and the most that the process has.
 */
const FACTORS = [0.02, 0.1, 0.3, 1, 3, 20, 1e9];

/** An output that varies by so much of its size, or of its input's, varies by rounding alone. */
const FLAT = 1e-5;

/** Constant images at both ends of the data range under the noises of a process, and what a network makes of them. */
export class Trial {
  readonly description: ModelDescription;
  readonly #network: Runner;
  readonly #points: readonly Level[];
  readonly #repeats: number;
  readonly #z: Float32Array;
  readonly #x: Float32Array;
  readonly #outputs = new Map<string, Promise<Float32Array>>();

  constructor(network: Runner, description: ModelDescription) {
    this.#network = network;
    this.description = description;
    const elements = elementCount(description.shape);
    this.#repeats = Math.ceil(ELEMENTS / elements);
    this.#points = noiseLevels(description);
    // Rows: level by level, in each the low images and then the high ones, all levels with the same noise.
    const half = this.#repeats * elements;
    this.#z = new Float32Array(2 * half);
    fillNormal(this.#z, 1, { seed: 0n, samples: 0, step: 0, stream: Stream.probeNormal });
    this.#x = new Float32Array(this.#points.length * 2 * half);
    this.#points.forEach(({ alpha, sigma }, level) => {
      for (let i = 0; i < 2 * half; i++) {
        const clean = description.sde.dataRange[i < half ? 0 : 1];
        this.#x[level * 2 * half + i] = alpha * clean + sigma * this.#z[i]!;
      }
    });
  }

  /** How the estimates of x_0 depend on noise and image under a reading, from the least noise to the most. */
  async read(reading: Reading): Promise<LevelReading[]> {
    const outputs = await this.#output(reading);
    const half = this.#z.length / 2;
    return this.#points.map((point, level) => {
      const { alpha, sigma } = point;
      const score = scoreCoefficients(reading.parameterization, point, this.description.sigmaData);
      const estimate = (i: number) => {
        const at = level * 2 * half + i;
        return (
          (this.#x[at]! +
            sigma ** 2 * (score.state * this.#x[at]! + reading.sign * score.output * outputs[at]!)) /
          alpha
        );
      };
      const images = (value: (i: number) => number) =>
        [0, half].map((start) => regress(this.#z.subarray(start, start + half), (i) => value(start + i)));
      const [low, high] = images(estimate) as [Regression, Regression];
      const [dark, bright] = images((i) => outputs[level * 2 * half + i]!) as [Regression, Regression];
      const variation = dark.variation + bright.variation;
      const square = low.square + high.square;
      const size = dark.mean ** 2 + bright.mean ** 2 + alpha ** 2 * low.mean ** 2 + sigma ** 2;
      const flat = variation < FLAT ** 2 * half * size;
      return {
        t: point.t,
        rho: sigma / alpha,
        leak: (low.product + high.product) / square,
        low: low.mean,
        high: high.mean,
        answer: flat ? NaN : (dark.product + bright.product) / Math.sqrt(square * variation),
        contrast: Math.abs(bright.mean - dark.mean) / Math.sqrt(variation / (2 * half)),
      };
    });
  }

  /**
   * The first row of the middle level again, in other company, and under the labels of the least and the most noise. The largest
   * differences to what it was, in units of its output's root mean square; that of time is NaN where the output is 0.
   */
  async again(reading: Reading): Promise<{ company: number; time: number }> {
    const before = await this.#output(reading);
    const elements = elementCount(this.description.shape);
    const middle = FACTORS.indexOf(1);
    const start = middle * this.#z.length;
    const row = this.#x.subarray(start, start + elements);
    const x = new Float32Array(3 * elements);
    for (let i = 0; i < 3; i++) x.set(row, i * elements);
    const points = [this.#points[middle]!, this.#points[0]!, this.#points.at(-1)!];
    const place = 2 * this.#repeats * middle;
    const after = await this.#run(reading, x, points, [place, place, place]);
    const own = before.subarray(start, start + elements);
    const size = Math.sqrt(own.reduce((sum, value) => sum + value ** 2, 0) / elements);
    const difference = (from: number, to: ArrayLike<number>) => {
      let most = 0;
      for (let i = 0; i < elements; i++) most = Math.max(most, Math.abs(after[from + i]! - to[i]!));
      return most / Math.max(size, 1e-30);
    };
    const same = after.subarray(0, elements);
    return {
      company: difference(0, own),
      // An output of zeros, such as F of an untrained network, says nothing of it.
      time: size === 0 ? NaN : Math.max(difference(elements, same), difference(2 * elements, same)),
    };
  }

  /**
   * The estimates of x_0 of these rows under a reading.
   * @param y [rows, ...shape], x / alpha
   * @param samples of the rows, from which their classes follow
   */
  async estimates(
    reading: Reading,
    y: Float64Array,
    rows: readonly Level[],
    samples: readonly number[],
  ): Promise<Float64Array> {
    const elements = y.length / rows.length;
    const levelOf = (i: number) => rows[Math.floor(i / elements)]!;
    const x = Float32Array.from(y, (value, i) => levelOf(i).alpha * value);
    const output = await this.#run(reading, x, rows, samples);
    const gains = rows.map((level) =>
      scoreCoefficients(reading.parameterization, level, this.description.sigmaData),
    );
    return y.map((value, i) => {
      const { alpha, sigma } = levelOf(i);
      const score = gains[Math.floor(i / elements)]!;
      return value + (sigma ** 2 * (score.state * x[i]! + reading.sign * score.output * output[i]!)) / alpha;
    });
  }

  #output(reading: Reading): Promise<Float32Array> {
    const key = `${reading.labels.name} ${reading.parameterization === 'edm'}`;
    let output = this.#outputs.get(key);
    if (!output) {
      const per = 2 * this.#repeats;
      const rows = Array.from(
        { length: this.#points.length * per },
        (_, row) => this.#points[Math.floor(row / per)]!,
      );
      output = this.#run(reading, this.#x, rows);
      this.#outputs.set(key, output);
    }
    return output;
  }

  /** @param places of the rows among all, from which their classes follow */
  async #run(
    { labels, parameterization }: Reading,
    x: Float32Array,
    rows: readonly Level[],
    places: readonly number[] = rows.map((_, row) => row),
  ): Promise<Float32Array> {
    const { levels, sigmaData, classes } = this.description;
    const scale =
      parameterization === 'edm'
        ? Float64Array.from(rows, (level) => inputScale('edm', level, sigmaData))
        : undefined;
    const time = Float64Array.from(rows, (level) => labels.label(level, levels));
    const own = classes === undefined ? undefined : Int32Array.from(places, (place) => place % classes);
    const output = new Float32Array(x.length);
    await this.#network.run({ x, scale, time, classes: own }, output);
    return output;
  }
}

/** Of values on the noise of an image: their mean, and sums over both about their means. */
interface Regression {
  readonly mean: number;
  readonly product: number;
  /** Of the noise, and of the values. */
  readonly square: number;
  readonly variation: number;
}

function regress(z: Float32Array, value: (i: number) => number): Regression {
  let [mean, noiseMean, product, square, variation] = [0, 0, 0, 0, 0];
  for (let i = 0; i < z.length; i++) {
    mean += value(i) / z.length;
    noiseMean += z[i]! / z.length;
  }
  for (let i = 0; i < z.length; i++) {
    const [noise, centred] = [z[i]! - noiseMean, value(i) - mean];
    product += noise * centred;
    square += noise ** 2;
    variation += centred ** 2;
  }
  return { mean, product, square, variation };
}

function noiseLevels(description: ModelDescription): Level[] {
  const [low, high] = description.sde.dataRange;
  return FACTORS.map((factor) => levelNearNoise(description, (factor * (high - low)) / 2));
}

/** The level at which sigma / alpha is nearest to rho. */
export function levelNearNoise(description: ModelDescription, rho: number): Level {
  const { sde, ladder } = description;
  if (ladder) {
    const distance = (i: number) => Math.abs(Math.log(ladder.sigma[i]! / ladder.alpha[i]! / rho));
    let index = 0;
    for (let i = 1; i < ladder.levels; i++) if (distance(i) < distance(index)) index = i;
    return levelAt(description, (sde.T * (index + 1)) / ladder.levels, index);
  }
  const lambda = Math.min(Math.max(-Math.log(rho), sde.lambda(sde.T)), sde.lambda(sde.epsilon));
  return levelAt(description, Math.min(Math.max(sde.timeOfLambda(lambda), sde.epsilon), sde.T));
}
