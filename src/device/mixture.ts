import { addon } from './addon.js';
import type { QueueNumber } from './addon-interface.js';
import { requireFloat64, requireInt32, requireLength, requireState } from './arguments.js';
import type { State } from './binding.js';

/** A covariance in parts. */
export interface CovarianceParts {
  /** Number of eigenvectors, or -1 for a diagonal matrix. */
  readonly rank: number;
  /** Eigenvalues, and at the end that of the complement of the eigenvectors (0 where there is none). */
  readonly values: Float64Array;
  /** Eigenvectors, one after the other. */
  readonly basis: Float64Array;
}

/** Points of a mixture, each with the level of its law. */
export interface MixturePoints {
  /** [points, dimension]. */
  readonly x: State;
  /** `[points, 2]`: alpha and sigma; the law is that of alpha x_0 + sigma z. */
  readonly levels: Float64Array;
  /** The one component that each point is of, or -1 for the whole mixture, which is the default. */
  readonly components?: Int32Array | undefined;
}

const abandoned = new FinalizationRegistry((mixture: number) => {
  addon().dropMixture(mixture);
});

/** A mixture of Gaussians in the addon: verbs compute in double precision and round where an array is single. */
export class NativeMixture {
  readonly #number: number;
  readonly #dimension: number;
  readonly #components: number;

  constructor(
    weights: Float64Array,
    means: readonly Float64Array[],
    covariances: readonly CovarianceParts[],
  ) {
    this.#dimension = means[0]!.length;
    this.#components = weights.length;
    this.#number = addon().makeMixture(
      this.#dimension,
      weights.map(Math.log),
      joined(means),
      Int32Array.from(covariances, ({ rank }) => rank),
      joined(covariances.map(({ values }) => values)),
      joined(covariances.map(({ basis }) => basis)),
    );
    abandoned.register(this, this.#number);
  }

  /** out <- the gradient of ln p. */
  score(points: MixturePoints, out: State, queue?: QueueNumber): void {
    const { x, levels, components } = this.#checked(points);
    requireState('out', out);
    requireLength('out', out, x.length);
    addon().mixtureScore(queue, this.#number, x, levels, components, out);
  }

  /** out[i] <- the Laplacian of ln p at point i. */
  divergence(points: MixturePoints, out: Float64Array, queue?: QueueNumber): void {
    const { x, levels, components } = this.#checked(points);
    requireFloat64('out', out, x.length / this.#dimension);
    addon().mixtureDivergence(queue, this.#number, x, levels, components, out);
  }

  /** out <- the Hessian of ln p times v. */
  product(points: MixturePoints, v: State, out: State, queue?: QueueNumber): void {
    const { x, levels, components } = this.#checked(points);
    for (const [name, array] of [['v', v] as const, ['out', out] as const]) {
      requireState(name, array);
      requireLength(name, array, x.length);
    }
    addon().mixtureProduct(queue, this.#number, x, levels, components, v, out);
  }

  /** out <- p(k | x), [points, components]; logDensity[i] <- ln p at point i. */
  posterior(points: MixturePoints, out: Float64Array, logDensity?: Float64Array): void {
    const { x, levels, components } = this.#checked(points);
    const count = x.length / this.#dimension;
    requireFloat64('out', out, count * this.#components);
    if (logDensity) requireFloat64('logDensity', logDensity, count);
    addon().mixturePosterior(undefined, this.#number, x, levels, components, out, logDensity);
  }

  #checked(points: MixturePoints): MixturePoints {
    const { x, levels, components } = points;
    requireState('x', x);
    requireFloat64('levels', levels, (2 * x.length) / this.#dimension);
    if (components) {
      requireInt32('components', components);
      requireLength('components', components, x.length / this.#dimension);
    }
    return points;
  }
}

function joined(parts: readonly Float64Array[]): Float64Array {
  const out = new Float64Array(parts.reduce((sum, { length }) => sum + length, 0));
  let begin = 0;
  for (const part of parts) {
    out.set(part, begin);
    begin += part.length;
  }
  return out;
}
