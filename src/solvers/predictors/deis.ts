import { checkChoice, checkInteger, checkKnown } from '../../options.js';
import type { Level } from '../../sde/level.js';
import type { Sde } from '../../sde/sde.js';
import { multistep, type Combination, type MultistepOptions } from '../multistep.js';
import { interpolations, predictorOptions } from '../names.js';
import type { Predictor } from '../predictor.js';
import { integrate, lagrange } from '../quadrature.js';
import { noiseToSignal } from '../second-order.js';

/** Options of {@link deis}. */
export interface DeisOptions extends MultistepOptions {
  /** Predictions that a step interpolates, 1 to 4; default 3. */
  readonly order?: number | undefined;
  /** The variable in which they are interpolated: rho = sigma / alpha (default), its logarithm, or t. */
  readonly interpolation?: (typeof interpolations)[number] | undefined;
}

/**
 * DEIS (Zhang and Chen 2022, equation 15, tAB and rhoAB): x' = alpha'/alpha x + alpha' sum_j C_j e_j with C_j the integral of
 * the j-th polynomial of Lagrange over rho, in rho, in its logarithm (the authors' code and diffusers) or in t. One evaluation a step.
 */
export function deis(options: DeisOptions = {}): Predictor {
  checkKnown(options, predictorOptions.deis);
  const { order = 3, interpolation = 'rho' } = options;
  checkInteger('order', order, 1, 4);
  checkChoice('interpolation', interpolation, interpolations);
  const method = multistep(
    'deis',
    {
      options: { order, interpolation },
      order,
      prediction: 'noise',
      wholeToData: interpolation === 'rho' && options.lowerOrderFinal === false,
      predict: (levels, to, { sde }) =>
        // To the data one prediction leads, and all are the same.
        interpolation === 'rho' || to.sigma === 0
          ? inRho(levels, to)
          : interpolation === 'log-rho'
            ? inLogRho(levels, to)
            : inTime(levels, to, sde),
    },
    options,
  );
  return {
    ...method,
    defaults: { steps: 20, grid: interpolation === 't' ? 'quadratic' : 'uniform-lambda' },
  };
}

function inRho(levels: readonly Level[], to: Level): Combination {
  const places = levels.map(noiseToSignal);
  return combination(levels, to, places, (weight) => integrate(weight, places[0]!, noiseToSignal(to)));
}

/** d rho = rho d ln rho. */
function inLogRho(levels: readonly Level[], to: Level): Combination {
  const places = levels.map(({ lambda }) => -lambda);
  return combination(levels, to, places, (weight) =>
    integrate((place) => weight(place) * Math.exp(place), places[0]!, -to.lambda),
  );
}

/** d rho / dt = g^2 / (2 alpha sigma). */
function inTime(levels: readonly Level[], to: Level, sde: Sde): Combination {
  const places = levels.map(({ t }) => t);
  const speed = (t: number) => sde.diffusion(t) ** 2 / (2 * sde.alpha(t) * sde.sigma(t));
  return combination(levels, to, places, (weight) =>
    integrate((t) => weight(t) * speed(t), places[0]!, to.t),
  );
}

function combination(
  levels: readonly Level[],
  to: Level,
  places: readonly number[],
  integral: (weight: (place: number) => number) => number,
): Combination {
  const weights = levels.map((_, j) => to.alpha * integral((place) => lagrange(places, place)[j]!));
  return { state: to.alpha / levels[0]!.alpha, weights };
}
