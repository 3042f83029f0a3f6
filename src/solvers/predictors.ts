import type { Step } from '../sde/grid.js';
import type { Sde } from '../sde/sde.js';
import { specified } from '../specification.js';

/** One step x' = state x + score s(x, t) + noise z; its mean is the same without the noise. */
export interface Update {
  readonly state: number;
  readonly score: number;
  readonly noise: number;
}

/** One step of the reverse process from `step.t` to `step.next`. */
export interface Predictor {
  readonly name: 'euler-maruyama' | 'reverse-diffusion' | 'ancestral' | 'probability-flow' | 'none';
  /** The step as scalars, or undefined where the state is left as it is. */
  update(step: Step, sde: Sde): Update | undefined;
  /** Clip the estimate of x_0 to the data range before it enters the step (Ho et al. 2020, as their sampler does). */
  readonly clip?: boolean;
  /** The options as resolved, for the record of a run. */
  readonly options?: Readonly<Record<string, unknown>>;
}

/** Euler-Maruyama on the reverse-time SDE dx = [f - g^2 s] dt + g dw (Song et al. 2021, eq. 6). */
export function eulerMaruyama(): Predictor {
  return specified('eulerMaruyama', undefined, {
    name: 'euler-maruyama',
    update({ t, h }, sde) {
      const g = sde.diffusion(t);
      return { state: 1 - sde.drift(t) * h, score: g * g * h, noise: g * Math.sqrt(h) };
    },
  });
}

/**
 * Reverse diffusion (Song et al. 2021, eq. 46): the forward discretisation x_t = retain x + G z, run backwards with
 * the same f and G.
 */
export function reverseDiffusion(): Predictor {
  return specified('reverseDiffusion', undefined, {
    name: 'reverse-diffusion',
    update: ({ retain, spread }) => ({ state: 2 - retain, score: spread, noise: Math.sqrt(spread) }),
  });
}

/** The probability-flow ODE, discretised as reverse diffusion is: half the score term and no noise (eq. 47). */
export function probabilityFlow(): Predictor {
  return specified('probabilityFlow', undefined, {
    name: 'probability-flow',
    update: ({ retain, spread }) => ({ state: 2 - retain, score: spread / 2, noise: 0 }),
  });
}

export interface AncestralOptions {
  /**
   * Variance of the reverse transition: `fixedlarge` is that of the forward step (beta_i), `fixedsmall` that of the
   * posterior q(x_{i-1} | x_i, x_0). Default: fixedlarge for VP and fixedsmall elsewhere, as in Song et al. 2021.
   */
  readonly variance?: 'fixedlarge' | 'fixedsmall';
  /** Clip the implied x_0 to the data range at every step. Default false. */
  readonly clip?: boolean;
}

/**
 * Ancestral sampling: DDPM for VP (Ho et al. 2020, eq. 11), its VE form (Song et al. 2021, appendix F), and the same
 * Markov-chain posterior for every other SDE with scalar-linear drift.
 */
export function ancestral(options: AncestralOptions = {}): Predictor {
  const { variance, clip = false } = options;
  return specified('ancestral', options, {
    name: 'ancestral',
    clip,
    options: { variance: variance ?? 'auto', clip },
    update({ retain, spread, sigma, sigmaNext }, sde) {
      const large = (variance ?? (sde.name === 'vp' ? 'fixedlarge' : 'fixedsmall')) === 'fixedlarge';
      return {
        state: 1 / retain,
        score: spread / retain,
        noise: large ? Math.sqrt(spread) : (sigmaNext / sigma) * Math.sqrt(spread),
      };
    },
  });
}

/** No predictor: the corrector alone carries the state from level to level. */
export function noPredictor(): Predictor {
  return specified('noPredictor', undefined, { name: 'none', update: () => undefined });
}
