import { Stream } from '../../device/binding.js';
import { fillNormal } from '../../device/kernels.js';
import type { ModelDescription } from './description.js';
import {
  describeMisreading,
  describeUnrecognized,
  findMisplaced,
  findUndrowned,
  notFinite,
  type Finding,
  type LevelReading,
  type Reading,
  type Repair,
  type Verdict,
} from './findings.js';
import { levelAt, type Level } from '../../sde/level.js';
import { labelRule, type LabelRule } from './labels.js';
import type { Network } from './network.js';
import { inputScale, parameterizations, scoreCoefficients } from '../parameterization.js';
import { elementCount } from '../../shape.js';

/**
 * A check that a network's output is what its description says, from how it denoises.
 *
 * Constant images at both ends of the data range are noised at a small, a middle and a large noise level, and the output
 * is read as an estimate of x_0. Read rightly, the estimate
 *
 * - carries nearly none of a large noise: its regression on z is E|x_0 - E[x_0|x]|^2 / (d rho), at most the data variance
 *   over rho = sigma / alpha;
 * - keeps the image under a small noise.
 *
 * Under a wrong sign, scale, label or parameterization one of the two fails by an order of magnitude, whatever the data
 * are; on failure the other readings are tried, so that the finding can name the flag that repairs it.
 */
export interface ProbeReport {
  /** Whether there are no findings. */
  readonly ok: boolean;
  readonly findings: readonly Finding[];
  /** What was measured, at the small, the middle and the large noise. */
  readonly levels: readonly LevelReading[];
}

type Runner = Pick<Network, 'run'>;

/** Elements over which a regression is taken, at least, so that its error is below 5 %. */
const ELEMENTS = 512;

/** Evaluates the network once on 6 or more noised rows, and again under other labels where these look wrong. */
export async function probe(network: Runner, description: ModelDescription): Promise<ProbeReport> {
  const trial = new Trial(network, description);
  const declared: Reading = {
    labels: description.labels,
    parameterization: description.parameterization,
    sign: 1,
  };
  const levels = await trial.read(declared);
  const drowned = findUndrowned(levels, description.sde.dataRange);
  if (drowned) return reportOf(levels, [drowned]);
  const verdict = trial.judge(levels, declared);
  const repair = await trial.repair(declared, levels, verdict);
  if (repair) return reportOf(levels, [describeMisreading(declared, repair)]);
  if (!levels.every(({ leak, low, high }) => Number.isFinite(leak + low + high))) {
    return reportOf(levels, [notFinite]);
  }
  if (verdict !== 'right') return reportOf(levels, [describeUnrecognized(verdict, levels)]);
  const range = findMisplaced(levels, description.sde.dataRange);
  return reportOf(levels, range ? [range] : []);
}

function reportOf(levels: readonly LevelReading[], findings: readonly Finding[]): ProbeReport {
  return { ok: findings.length === 0, findings, levels };
}

/** The noised images, and the network's outputs on them by label rule. */
class Trial {
  readonly #network: Runner;
  readonly #description: ModelDescription;
  readonly #points: readonly Level[];
  readonly #radius: number;
  readonly #repeats: number;
  readonly #elements: number;
  readonly #z: Float32Array;
  readonly #x: Float32Array;
  readonly #outputs = new Map<string, Float32Array>();

  constructor(network: Runner, description: ModelDescription) {
    this.#network = network;
    this.#description = description;
    this.#radius = (description.sde.dataRange[1] - description.sde.dataRange[0]) / 2;
    this.#elements = elementCount(description.shape);
    this.#repeats = Math.ceil(ELEMENTS / this.#elements);
    this.#points = noiseLevels(description);
    // Rows: level by level, in each the low images and then the high ones, all levels with the same noise.
    const half = this.#repeats * this.#elements;
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

  async read(reading: Reading): Promise<LevelReading[]> {
    const outputs = await this.#output(reading);
    const half = this.#repeats * this.#elements;
    return this.#points.map((point, level) => {
      const { alpha, sigma } = point;
      const score = scoreCoefficients(reading.parameterization, point, this.#description.sigmaData);
      const estimate = (i: number) => {
        const at = level * 2 * half + i;
        return (
          (this.#x[at]! +
            sigma ** 2 * (score.state * this.#x[at]! + reading.sign * score.output * outputs[at]!)) /
          alpha
        );
      };
      const [low, high] = [0, half].map((start) => {
        let [mean, noiseMean, product, square] = [0, 0, 0, 0];
        for (let i = start; i < start + half; i++) {
          mean += estimate(i) / half;
          noiseMean += this.#z[i]! / half;
        }
        for (let i = start; i < start + half; i++) {
          const centred = this.#z[i]! - noiseMean;
          product += centred * (estimate(i) - mean);
          square += centred ** 2;
        }
        return { mean, product, square };
      }) as [Group, Group];
      return {
        t: point.t,
        rho: sigma / alpha,
        leak: (low.product + high.product) / (low.square + high.square),
        low: low.mean,
        high: high.mean,
      };
    });
  }

  /** Whether the estimates of x_0 are those of a denoiser. */
  judge(levels: readonly LevelReading[], { parameterization }: Reading): Verdict {
    const [small, middle, large] = levels as [LevelReading, LevelReading, LevelReading];
    const [low, high] = this.#description.sde.dataRange;
    // Where F is the noise up to a factor, its relative error is multiplied by rho in the estimate of x_0.
    const noiseLike = parameterization === 'eps' || parameterization === 'score';
    const unit = noiseLike ? large.rho : this.#radius;
    const leak = Math.abs(large.leak) / unit;
    // White noise of the whole range is the worst that data can be: its estimate carries r^2 rho / (r^2 + rho^2).
    const inherent = (this.#radius ** 2 * large.rho) / (this.#radius ** 2 + large.rho ** 2) / unit;
    const lost = Math.abs((small.high - small.low) / (high - low) - 1);
    const amplified = Math.max(-middle.leak / middle.rho, middle.leak / middle.rho - 1);
    const within = (factor: number) =>
      leak < inherent + factor * (noiseLike ? 0.06 : 0.2) && lost < factor * 0.4 && amplified < factor * 0.3;
    return within(1) ? 'right' : within(2.5) ? 'doubtful' : 'wrong';
  }

  /** The reading that makes the network a denoiser where the declared one does not, or a clearly better one. */
  async repair(
    declared: Reading,
    levels: readonly LevelReading[],
    verdict: Verdict,
  ): Promise<Repair | undefined> {
    const { labels, parameterization } = declared;
    const best = (candidates: readonly Reading[]) => this.#best(candidates, levels, verdict);
    const isFlow = this.#description.sde.name === 'flow';
    const others = parameterizations.filter(
      (other) => other !== parameterization && (isFlow || !other.endsWith('flow')),
    );
    const outputs: Reading[] = [
      // The opposite of a flow is a parameterization.
      ...(parameterization.endsWith('flow') ? [] : [{ ...declared, sign: -1 } as const]),
      ...others.map((other) => ({ ...declared, parameterization: other })),
    ];
    // Other labels cost an evaluation each: only where the declared ones leave much noise.
    if (verdict === 'right' && Math.abs(levels[1]!.leak) < 0.1 * this.#radius) return best(outputs);
    const rules = labelRules(labels.discrete, isFlow).filter(({ name }) => name !== labels.name);
    return (
      (await best([...outputs, ...rules.map((rule) => ({ ...declared, labels: rule }))])) ??
      (await best(rules.flatMap((rule) => outputs.map((reading) => ({ ...reading, labels: rule })))))
    );
  }

  async #best(
    candidates: readonly Reading[],
    declared: readonly LevelReading[],
    verdict: Verdict,
  ): Promise<Repair | undefined> {
    const before = this.#noise(declared);
    let best: { reading: Reading; noise: number } | undefined;
    for (const reading of candidates) {
      const found = await this.read(reading);
      if (this.judge(found, reading) !== 'right' || Math.abs(found[1]!.leak) > 0.35 * found[1]!.rho) continue;
      if (verdict === 'right' && !this.#clearlyBetter(found, declared)) continue;
      const noise = this.#noise(found);
      if (best === undefined || noise < best.noise) best = { reading, noise };
    }
    if (best === undefined) return undefined;
    const sure = verdict === 'wrong' || (verdict === 'doubtful' && best.noise < before - Math.log(30));
    return { ...best.reading, severity: sure ? 'error' : 'warning' };
  }

  /** Logarithm of the noise left in the estimates, over all levels. */
  #noise(levels: readonly LevelReading[]): number {
    return levels.reduce(
      (sum, { leak, rho }) => sum + Math.log(Math.abs(leak) / Math.min(rho, this.#radius) + 1e-3),
      0,
    );
  }

  /** Whether the middle level loses much more noise, and no contrast for it. */
  #clearlyBetter(found: readonly LevelReading[], declared: readonly LevelReading[]): boolean {
    const [before, after] = [declared[1]!, found[1]!];
    const contrast = (after.high - after.low) / (2 * this.#radius);
    return (
      Math.abs(before.leak) > 0.1 * this.#radius &&
      Math.abs(after.leak) < Math.abs(before.leak) / 3 &&
      contrast > 0.1 &&
      contrast > (0.5 * (before.high - before.low)) / (2 * this.#radius)
    );
  }

  async #output({ labels, parameterization }: Reading): Promise<Float32Array> {
    const scaled = parameterization === 'edm';
    const key = `${labels.name} ${scaled}`;
    const known = this.#outputs.get(key);
    if (known) return known;
    const { levels, sigmaData, classes } = this.#description;
    const per = 2 * this.#repeats;
    const rows = this.#points.length * per;
    const point = (row: number) => this.#points[Math.floor(row / per)]!;
    const scale = scaled
      ? Float64Array.from({ length: rows }, (_, row) => inputScale('edm', point(row), sigmaData))
      : undefined;
    const time = Float64Array.from({ length: rows }, (_, row) => labels.label(point(row), levels));
    const output = new Float32Array(this.#x.length);
    const own =
      classes === undefined ? undefined : Int32Array.from({ length: rows }, (_, row) => row % classes);
    await this.#network.run({ x: this.#x, scale, time, classes: own }, output);
    this.#outputs.set(key, output);
    return output;
  }
}

interface Group {
  readonly mean: number;
  readonly product: number;
  readonly square: number;
}

/** Rules that are tried where the declared labels look wrong. */
function labelRules(discrete: boolean, isFlow: boolean): LabelRule[] {
  const flow = ['t', 't*1000', '1-t', '(1-t)*1000'];
  const continuous = isFlow ? flow : ['t*999', 't', 'sigma', 'log-sigma', 'c-noise'];
  const names = discrete ? ['index', 'reversed-index'] : continuous;
  return names.map(labelRule);
}

/** Noise of 0.02, 1 and 20 times half the data range, or as near as the process comes to it. */
function noiseLevels(description: ModelDescription): Level[] {
  const { sde, ladder } = description;
  const radius = (sde.dataRange[1] - sde.dataRange[0]) / 2;
  return [0.02, 1, 20].map((factor) => {
    const rho = factor * radius;
    if (ladder) {
      const distance = (i: number) => Math.abs(Math.log(ladder.sigma[i]! / ladder.alpha[i]! / rho));
      let index = 0;
      for (let i = 1; i < ladder.levels; i++) if (distance(i) < distance(index)) index = i;
      const t = (sde.T * (index + 1)) / ladder.levels;
      return levelAt(description, t, index);
    }
    const lambda = Math.min(Math.max(-Math.log(rho), sde.lambda(sde.T)), sde.lambda(sde.epsilon));
    const t = Math.min(Math.max(sde.timeOfLambda(lambda), sde.epsilon), sde.T);
    return levelAt(description, t);
  });
}
