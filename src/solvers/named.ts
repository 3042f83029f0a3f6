import type { NormMode } from '../device/binding.js';
import { OptionError } from '../errors.js';
import { checkChoice } from '../options.js';
import { ald, langevin, noCorrector, type Corrector } from './correctors.js';
import {
  ancestral,
  eulerMaruyama,
  noPredictor,
  probabilityFlow,
  reverseDiffusion,
  type Predictor,
} from './predictors.js';

export type PredictorName = Predictor['name'];
export type CorrectorName = Corrector['name'];

const PREDICTORS: Record<PredictorName, () => Predictor> = {
  'euler-maruyama': eulerMaruyama,
  'reverse-diffusion': reverseDiffusion,
  ancestral,
  'probability-flow': probabilityFlow,
  none: noPredictor,
};

export const predictorNames: readonly PredictorName[] = Object.keys(PREDICTORS) as PredictorName[];
export const correctorNames: readonly CorrectorName[] = ['langevin', 'ald', 'none'];

/** The predictor of this name, or the value itself. */
export function namedPredictor(predictor: PredictorName | Predictor): Predictor {
  if (typeof predictor !== 'string') {
    if (typeof (predictor as { update?: unknown } | null)?.update === 'function') return predictor;
    throw new OptionError('predictor', predictor, `a predictor, or one of ${predictorNames.join(', ')}`);
  }
  return PREDICTORS[checkChoice('predictor', predictor, predictorNames)]();
}

interface CorrectorSettings {
  readonly snr?: number | undefined;
  readonly correctorSteps?: number | undefined;
  readonly norm?: NormMode | undefined;
}

/** The corrector of this name with these settings, or the value itself, which carries its own. */
export function namedCorrector(
  corrector: CorrectorName | Corrector,
  settings: CorrectorSettings = {},
): Corrector {
  const { snr, correctorSteps, norm } = settings;
  if (typeof corrector !== 'string') {
    if (typeof (corrector as { rule?: unknown } | null)?.rule !== 'object')
      throw new OptionError('corrector', corrector, `a corrector, or one of ${correctorNames.join(', ')}`);
    return refuse(settings, 'corrector is a value that carries its own', corrector);
  }
  switch (checkChoice('corrector', corrector, correctorNames)) {
    case 'langevin':
      return langevin({
        ...(snr !== undefined && { snr }),
        ...(correctorSteps !== undefined && { steps: correctorSteps }),
        ...(norm && { norm }),
      });
    case 'ald':
      return refuse(
        { norm },
        "corrector is 'ald', which takes no norms",
        ald({
          ...(snr !== undefined && { snr }),
          ...(correctorSteps !== undefined && { steps: correctorSteps }),
        }),
      );
    case 'none':
      return refuse(settings, "corrector is 'none'", noCorrector());
  }
}

function refuse(settings: CorrectorSettings, reason: string, corrector: Corrector): Corrector {
  for (const [name, value] of Object.entries(settings)) {
    if (value !== undefined) throw new OptionError(name, value, `left out: ${reason}`);
  }
  return corrector;
}
