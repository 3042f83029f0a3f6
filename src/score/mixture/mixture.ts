import { OptionError } from '../../errors.js';
import { Stream, type NoiseAddress, type State } from '../../device/binding.js';
import { fillNormal, fillUniform } from '../../device/kernels.js';
import { checkInteger } from '../../options.js';
import type { Sde } from '../../sde/sde.js';
import type { Covariance } from './covariance.js';
import { checkMixture, type MixtureSpec } from './spec.js';

/**
 * A mixture of Gaussians, sum_k w_k N(mu_k, Sigma_k), in any number of dimensions.
 *
 * Diffused by an SDE with scalar-linear drift it stays a mixture, so its score, its Jacobian, its class posterior and its
 * posterior under a linear observation are closed forms at every time: exact references for samplers and solvers.
 *
 * Methods take `x` with one point after the other ([n, dimension], row-major), compute in double precision and return
 * one result for every point.
 */
export class GaussianMixture {
  readonly dimension: number;
  readonly weights: Float64Array;
  readonly means: readonly Float64Array[];
  readonly covariances: readonly Covariance[];
  readonly #precisions: readonly Covariance[];
  /** ln w_k - ln |2 pi Sigma_k| / 2. */
  readonly #logScales: Float64Array;
  /** P_k (x - mu_k) for every component at the point under evaluation, P_k = Sigma_k^-1. */
  readonly #pulls: readonly Float64Array[];
  /** p(k | x) at the point under evaluation. */
  readonly #posterior: Float64Array;
  readonly #offset: Float64Array;

  /** @throws OptionError with the path of what does not fit, such as `covariances[1][0]`. */
  constructor(spec: MixtureSpec) {
    const { weights, means, covariances } = checkMixture(spec);
    this.weights = weights;
    this.means = means;
    this.covariances = covariances;
    this.dimension = means[0]!.length;
    this.#precisions = this.covariances.map((sigma) => sigma.map((value) => 1 / value));
    this.#logScales = this.weights.map(
      (weight, k) =>
        Math.log(weight) -
        0.5 * (this.dimension * Math.log(2 * Math.PI) + this.covariances[k]!.logDeterminant),
    );
    this.#pulls = this.means.map(() => new Float64Array(this.dimension));
    this.#posterior = new Float64Array(weights.length);
    this.#offset = new Float64Array(this.dimension);
  }

  /**
   * The mixture of a parsed JSON file, `{"weights": [..], "means": [[..]], "covariances": [..]}`, where a covariance is a
   * number, variances, a matrix, or `{"factor": [[..]], "scalar": ..}`.
   */
  static fromJson(value: unknown): GaussianMixture {
    return new GaussianMixture(value as MixtureSpec);
  }

  /** The law of x_t for x_0 from this mixture. */
  at(sde: Sde, t: number): GaussianMixture {
    return this.diffused(sde.alpha(t), sde.sigma(t));
  }

  /** The law of alpha x + sigma z. Costs no decomposition: the eigenvectors stay. */
  diffused(alpha: number, sigma: number): GaussianMixture {
    return new GaussianMixture({
      weights: this.weights,
      means: this.means.map((mean) => mean.map((value) => alpha * value)),
      covariances: this.covariances.map((matrix) => matrix.map((value) => alpha ** 2 * value + sigma ** 2)),
    });
  }

  /** One component alone. */
  component(k: number): GaussianMixture {
    checkInteger('component', k, 0, this.weights.length - 1);
    return new GaussianMixture({
      weights: [1],
      means: [this.means[k]!],
      covariances: [this.covariances[k]!],
    });
  }

  /** ln p(x), in nats. */
  logDensity(x: State): Float64Array {
    const out = new Float64Array(this.#points(x));
    for (let b = 0; b < out.length; b++) out[b] = this.#evaluate(x, b);
    return out;
  }

  /** The gradient of ln p. */
  score(x: State): Float64Array {
    const out = new Float64Array(x.length);
    const score = new Float64Array(this.dimension);
    for (let b = 0; b < this.#points(x); b++) {
      this.#evaluate(x, b);
      this.#scoreInto(score);
      out.set(score, b * this.dimension);
    }
    return out;
  }

  /** The divergence of the score, which is the Laplacian of ln p. */
  divergence(x: State): Float64Array {
    const out = new Float64Array(this.#points(x));
    const score = new Float64Array(this.dimension);
    for (let b = 0; b < out.length; b++) {
      this.#evaluate(x, b);
      this.#scoreInto(score);
      // sum_k w_k (|P_k d_k|^2 - tr P_k) - |s|^2, with the squares taken about their mean -s.
      this.#posterior.forEach((weight, k) => {
        const pull = this.#pulls[k]!;
        let squares = 0;
        for (let i = 0; i < pull.length; i++) squares += (pull[i]! + score[i]!) ** 2;
        out[b]! += weight * (squares - this.#precisions[k]!.trace);
      });
    }
    return out;
  }

  /** The Jacobian of the score (the Hessian of ln p, symmetric) times v, one vector for every point. */
  jvp(x: State, v: State): Float64Array {
    if (v.length !== x.length) throw new OptionError('v', v, `of the length of x (${x.length})`);
    const d = this.dimension;
    const out = new Float64Array(x.length);
    const score = new Float64Array(d);
    const product = new Float64Array(d);
    for (let b = 0; b < this.#points(x); b++) {
      const direction = Float64Array.from(v.subarray(b * d, (b + 1) * d));
      this.#evaluate(x, b);
      this.#scoreInto(score);
      this.#posterior.forEach((weight, k) => {
        const pull = this.#pulls[k]!;
        let along = 0;
        for (let i = 0; i < d; i++) along += (pull[i]! + score[i]!) * direction[i]!;
        this.#precisions[k]!.apply(direction, product);
        for (let i = 0; i < d; i++) {
          out[b * d + i]! += weight * ((pull[i]! + score[i]!) * along - product[i]!);
        }
      });
    }
    return out;
  }

  /** p(k | x) for every component: [n, components]. */
  classProbabilities(x: State): Float64Array {
    const count = this.weights.length;
    const out = new Float64Array(this.#points(x) * count);
    for (let b = 0; b < this.#points(x); b++) {
      this.#evaluate(x, b);
      out.set(this.#posterior, b * count);
    }
    return out;
  }

  /** The gradient of ln p(k | x) in x, for the component of each point or one component for all. */
  classScore(x: State, component: number | ArrayLike<number>): Float64Array {
    const d = this.dimension;
    const out = new Float64Array(x.length);
    const score = new Float64Array(d);
    for (let b = 0; b < this.#points(x); b++) {
      const k = typeof component === 'number' ? component : component[b]!;
      checkInteger('component', k, 0, this.weights.length - 1);
      this.#evaluate(x, b);
      this.#scoreInto(score);
      for (let i = 0; i < d; i++) out[b * d + i] = -this.#pulls[k]![i]! - score[i]!;
    }
    return out;
  }

  /** E[x_0 | x_t = x] for x_0 from this mixture: the ideal denoiser. */
  denoise(sde: Sde, t: number, x: State): Float64Array {
    const alpha = sde.alpha(t);
    const variance = sde.sigma(t) ** 2;
    return this.at(sde, t)
      .score(x)
      .map((score, i) => (x[i]! + variance * score) / alpha);
  }

  /**
   * Exact samples, [count, dimension] row-major.
   *
   * @param options `seed` (default 0n) and `first`, the global index of the first sample (default 0): a sample depends on
   *   these alone, not on how many are drawn with it.
   */
  sample(count: number, { seed = 0n, first = 0 }: { seed?: bigint; first?: number } = {}): Float64Array {
    checkInteger('count', count, 1);
    const d = this.dimension;
    const noise = { seed, samples: first, step: 0, stream: Stream.data };
    const choices = chooseUniforms(count, noise);
    const out = new Float64Array(count * d);
    fillNormal(out, count, noise);
    const roots = this.covariances.map((matrix) => matrix.map(Math.sqrt));
    const product = new Float64Array(d);
    choices.forEach((choice, b) => {
      const k = this.#componentAt(choice);
      const point = out.subarray(b * d, (b + 1) * d);
      roots[k]!.apply(point, product);
      for (let i = 0; i < d; i++) point[i] = this.means[k]![i]! + product[i]!;
    });
    return out;
  }

  /** The component that holds this point of the cumulative weights. */
  #componentAt(u: number): number {
    let k = 0;
    for (let above = this.weights[0]!; u > above && k < this.weights.length - 1; above += this.weights[k]!)
      k++;
    return k;
  }

  mean(): Float64Array {
    const out = new Float64Array(this.dimension);
    this.means.forEach((mean, k) => {
      for (let i = 0; i < out.length; i++) out[i]! += this.weights[k]! * mean[i]!;
    });
    return out;
  }

  /** The variance of every coordinate of the whole mixture. */
  variances(): Float64Array {
    const mean = this.mean();
    const out = new Float64Array(this.dimension);
    this.means.forEach((centre, k) => {
      const own = this.covariances[k]!.diagonal();
      for (let i = 0; i < out.length; i++)
        out[i]! += this.weights[k]! * (own[i]! + (centre[i]! - mean[i]!) ** 2);
    });
    return out;
  }

  /** The covariance matrix of the whole mixture, row-major. */
  covariance(): Float64Array {
    const d = this.dimension;
    const out = new Float64Array(d * d);
    const mean = this.mean();
    const unit = new Float64Array(d);
    const column = new Float64Array(d);
    for (let j = 0; j < d; j++) {
      unit.fill(0)[j] = 1;
      this.means.forEach((centre, k) => {
        this.covariances[k]!.apply(unit, column);
        for (let i = 0; i < d; i++) {
          out[i * d + j]! +=
            this.weights[k]! * (column[i]! + (centre[i]! - mean[i]!) * (centre[j]! - mean[j]!));
        }
      });
    }
    return out;
  }

  #points(x: State): number {
    if (x.length % this.dimension === 0) return x.length / this.dimension;
    throw new OptionError('x', x, `points of ${this.dimension} numbers each`);
  }

  /** Fills the pulls and the class posterior at point b of x; returns ln p there. */
  #evaluate(x: State, b: number): number {
    const d = this.dimension;
    const offset = this.#offset;
    const logs = this.#posterior;
    this.means.forEach((mean, k) => {
      const pull = this.#pulls[k]!;
      for (let i = 0; i < d; i++) offset[i] = x[b * d + i]! - mean[i]!;
      this.#precisions[k]!.apply(offset, pull);
      let distance = 0;
      for (let i = 0; i < d; i++) distance += offset[i]! * pull[i]!;
      logs[k] = this.#logScales[k]! - 0.5 * distance;
    });
    const most = logs.reduce((a, c) => Math.max(a, c));
    const total = logs.reduce((sum, value) => sum + Math.exp(value - most), 0);
    const logDensity = most + Math.log(total);
    for (let k = 0; k < logs.length; k++) logs[k] = Math.exp(logs[k]! - logDensity);
    return logDensity;
  }

  #scoreInto(out: Float64Array): void {
    out.fill(0);
    this.#pulls.forEach((pull, k) => {
      const weight = this.#posterior[k]!;
      for (let i = 0; i < out.length; i++) out[i]! -= weight * pull[i]!;
    });
  }
}

/**
 * A number in (0, 1) for every sample, of 53 bits: the 23 of one uniform draw nothing rarer than 1.2e-7. The further ones say
 * where it lies within the cell of the first.
 */
function chooseUniforms(count: number, noise: NoiseAddress): Float64Array {
  const out = new Float64Array(count);
  fillUniform(out, count, { ...noise, step: 1 });
  const finer = new Float64Array(count);
  for (const [step, cell] of [[2, 2 ** -23] as const, [3, 2 ** -46] as const]) {
    fillUniform(finer, count, { ...noise, step });
    finer.forEach((u, i) => (out[i]! += (u - 0.5) * cell));
  }
  return out;
}
