import { OptionError } from '../../errors.js';
import { Stream, type NoiseAddress, type State } from '../../device/binding.js';
import { fillNormal, fillUniform } from '../../device/kernels.js';
import { NativeMixture, type MixturePoints } from '../../device/mixture.js';
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
  /** Elements of a sample. */
  readonly dimension: number;
  /** Probability of every component; they sum to 1. */
  readonly weights: Float64Array;
  /** Mean of every component. */
  readonly means: readonly Float64Array[];
  /** Covariance of every component. */
  readonly covariances: readonly Covariance[];
  #native: NativeMixture | undefined;

  /** @throws OptionError with the path of what does not fit, such as `covariances[1][0]`. */
  constructor(spec: MixtureSpec) {
    const { weights, means, covariances } = checkMixture(spec);
    this.weights = weights;
    this.means = means;
    this.covariances = covariances;
    this.dimension = means[0]!.length;
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

  /** @internal The same mixture in the addon, made at first use. */
  get native(): NativeMixture {
    const parts = () => this.covariances.map(({ parts }) => parts);
    return (this.#native ??= new NativeMixture(this.weights, this.means, parts()));
  }

  /** ln p(x), in nats. */
  logDensity(x: State): Float64Array {
    const points = this.#points(x);
    const out = new Float64Array(points.levels.length / 2);
    this.native.posterior(points, new Float64Array(out.length * this.weights.length), out);
    return out;
  }

  /** The gradient of ln p. */
  score(x: State): Float64Array {
    const out = new Float64Array(x.length);
    this.native.score(this.#points(x), out);
    return out;
  }

  /** The divergence of the score, which is the Laplacian of ln p. */
  divergence(x: State): Float64Array {
    const points = this.#points(x);
    const out = new Float64Array(points.levels.length / 2);
    this.native.divergence(points, out);
    return out;
  }

  /** The Jacobian of the score (the Hessian of ln p, symmetric) times v, one vector for every point. */
  jvp(x: State, v: State): Float64Array {
    if (v.length !== x.length) throw new OptionError('v', v, `of the length of x (${x.length})`);
    const out = new Float64Array(x.length);
    this.native.product(this.#points(x), v, out);
    return out;
  }

  /** p(k | x) for every component: [n, components]. */
  classProbabilities(x: State): Float64Array {
    const points = this.#points(x);
    const out = new Float64Array((points.levels.length / 2) * this.weights.length);
    this.native.posterior(points, out);
    return out;
  }

  /** The gradient of ln p(k | x) in x, for the component of each point or one component for all. */
  classScore(x: State, component: number | ArrayLike<number>): Float64Array {
    const points = this.#points(x);
    const components = Int32Array.from({ length: points.levels.length / 2 }, (_, b) =>
      checkInteger(
        'component',
        typeof component === 'number' ? component : component[b]!,
        0,
        this.weights.length - 1,
      ),
    );
    const [own, all] = [new Float64Array(x.length), new Float64Array(x.length)];
    this.native.score({ ...points, components }, own);
    this.native.score(points, all);
    return own.map((score, i) => score - all[i]!);
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

  /** The mean of the whole law, [dimension]. */
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

  #points(x: State): MixturePoints {
    if (x.length % this.dimension !== 0)
      throw new OptionError('x', x, `points of ${this.dimension} numbers each`);
    const levels = Float64Array.from({ length: (2 * x.length) / this.dimension }, (_, i) => (i + 1) % 2);
    return { x, levels };
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
