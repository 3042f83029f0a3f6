import { OptionError } from '../errors.js';
import { Stream } from '../device/binding.js';
import { langevin as langevinKernel } from '../device/kernels.js';
import { checkChoice } from '../options.js';
import type { ScoreModel } from '../score/model.js';
import { ladderGrid, timeGrid, type Spacing, type Step } from '../sde/grid.js';
import { specified } from '../specification.js';
import type { Batch, Time } from './batch.js';
import { langevin, type Corrector, type Level } from './correctors.js';
import { reverseDiffusion, type Predictor } from './predictors.js';
import type { Observer, Plan, Solver } from './solver.js';

/**
 * `corrector-first` is the published code's order: correct at t, then predict to the next time. `predictor-first` is
 * the order of Song et al. 2021, algorithms 1 to 3: predict to the next time, then correct there.
 */
export type Order = 'corrector-first' | 'predictor-first';

/**
 * How the last noise is removed. `tweedie`: one more evaluation at the final time, then the posterior mean of x_0.
 * `mean`: the last predictor step without its noise, as the published code does. `none`: nothing is removed.
 */
export type Denoise = 'tweedie' | 'mean' | 'none';

export interface PredictorCorrectorOptions {
  /** Default: reverse diffusion. */
  readonly predictor?: Predictor;
  /** Default: Langevin with snr 0.16, one step, per-sample norms. */
  readonly corrector?: Corrector;
  /** Number of solver steps. Default 1000; for a model with trained levels, their number. */
  readonly steps?: number;
  /**
   * `exact` (default): `steps` steps from T to epsilon with the SDE's own transitions. `reference`: the published loop,
   * `steps` times with a full step at each. A model with trained levels always walks its own ladder.
   */
  readonly grid?: 'exact' | 'reference';
  /** Spacing of the exact grid. Default `uniform-t`. */
  readonly spacing?: Spacing;
  /** Time at which sampling stops. Default: the SDE's (1e-3 for VP and sub-VP, 1e-5 for VE). */
  readonly epsilon?: number;
  /** Default `corrector-first`. */
  readonly order?: Order;
  /** Default `tweedie` on the exact grid; `mean` on the published grid and on a trained ladder, where a predictor comes last. */
  readonly denoise?: Denoise;
}

/** Predictor-corrector sampling (Song et al. 2021, algorithm 1). Costs steps x (1 + corrector steps) evaluations. */
export function predictorCorrector(options: PredictorCorrectorOptions = {}): Solver {
  const { predictor = reverseDiffusion(), corrector = langevin(), order = 'corrector-first' } = options;
  checkChoice('order', order, ['corrector-first', 'predictor-first']);
  return specified('predictorCorrector', options, {
    name: 'predictor-corrector',
    plan(model): Plan {
      const steps = solverSteps(model, options);
      const ladder = steps[0]!.index !== undefined || options.grid === 'reference';
      const ends = ladder && order === 'corrector-first' && predictor.name !== 'none';
      const denoise = options.denoise ?? (ends ? 'mean' : 'tweedie');
      checkDenoise(denoise, order, predictor);
      // On a ladder the last predictor step leads to the data, where there is nothing left to correct.
      const final: Level = ladder ? steps.at(-1)! : { t: steps.at(-1)!.next, retain: 1 };
      const walk = order === 'predictor-first' && ladder ? steps.slice(0, -1) : steps;
      return {
        steps: walk.length,
        options: {
          solver: 'predictor-corrector',
          predictor: predictor.name,
          ...predictor.options,
          corrector: corrector.name,
          ...corrector.options,
          steps: steps.length,
          grid: model.ladder ? 'ladder' : (options.grid ?? 'exact'),
          ...(ladder ? {} : { spacing: options.spacing ?? 'uniform-t' }),
          epsilon: final.t,
          order,
          denoise,
        },
        warnings: normWarnings(model, corrector),
        start: (batch) => {
          batch.drawPrior();
        },
        async run(batch, observer) {
          for (const [k, step] of walk.entries()) {
            const watched = { observer, step: k };
            if (order === 'corrector-first') {
              const last = k === walk.length - 1;
              const corrected = await correct(batch, corrector, k, step, watched);
              await predict(
                batch,
                predictor,
                step,
                last && denoise === 'mean',
                corrected ? undefined : watched,
              );
            } else {
              await predict(batch, predictor, step, false, watched);
              await correct(batch, corrector, k, walk[k + 1] ?? final);
            }
            observer.stepped?.(k, batch);
          }
          if (denoise === 'tweedie') await tweedie(batch, final, walk.length);
        },
      };
    },
  });
}

function solverSteps(model: ScoreModel, options: PredictorCorrectorOptions): Step[] {
  const { grid, spacing, epsilon, steps } = options;
  if (!model.ladder) {
    return timeGrid(model.sde, {
      steps: steps ?? 1000,
      ...(grid && { grid }),
      ...(spacing && { spacing }),
      ...(epsilon !== undefined && { epsilon }),
    });
  }
  for (const [name, value] of Object.entries({ spacing, epsilon })) {
    if (value !== undefined) {
      throw new OptionError(
        name,
        value,
        `left out: the model was trained on ${model.ladder.levels} discrete levels`,
      );
    }
  }
  return ladderGrid(model.sde, model.ladder, steps === undefined ? {} : { steps });
}

function checkDenoise(denoise: Denoise, order: Order, predictor: Predictor): void {
  checkChoice('denoise', denoise, ['tweedie', 'mean', 'none']);
  if (denoise !== 'mean') return;
  if (order === 'predictor-first') {
    // A Langevin step without its noise removes 3.8 % of the standard deviation at snr 0.16.
    throw new OptionError(
      'denoise',
      denoise,
      "'tweedie' or 'none' with order 'predictor-first', whose last step is a corrector's: its mean is not a denoiser",
    );
  }
  if (predictor.name === 'none')
    throw new OptionError('denoise', denoise, "'tweedie' or 'none' without a predictor");
}

/** Below this dimension |s| of a single sample comes so near to 0 that its step size has no useful mean. */
const FEW_DIMENSIONS = 32;

/** Whether the steps of the Langevin corrector, in proportion to 1 / |s|^2, blow up in samples of this shape. */
export function hasFewDimensions(shape: readonly number[]): boolean {
  return shape.reduce((product, n) => product * n, 1) < FEW_DIMENSIONS;
}

function normWarnings({ shape }: ScoreModel, { rule }: Corrector): string[] {
  const d = shape.reduce((product, n) => product * n, 1);
  if (!hasFewDimensions(shape) || 'size' in rule || rule.norm === 'batch') return [];
  return [
    `The langevin corrector with norm '${rule.norm}' gives a wrong law in ${d} dimensions, because the norm of a single ` +
      "score comes near 0; use the ald corrector, or norm 'batch'.",
  ];
}

/** Tells the observer of the evaluation that was just made. */
interface Watched {
  readonly observer: Observer;
  readonly step: number;
}

async function predict(
  batch: Batch,
  predictor: Predictor,
  step: Step,
  mean: boolean,
  watched?: Watched,
): Promise<void> {
  const update = predictor.update(step, batch.model.sde);
  if (!update) return;
  await batch.evaluate(step, step.k);
  watched?.observer.evaluated?.(watched.step, step, batch);
  const noise = mean ? 0 : update.noise;
  const address = batch.noise(Stream.predictor, step.k);
  if (!predictor.clip) {
    batch.update({ ...update, noise }, step, address);
    return;
  }
  // The same step, written with the estimate of x_0 (Ho et al. 2020, eq. 7).
  const { retain, spread, sigma, sigmaNext, alphaNext } = step;
  const estimate = clippedEstimate(batch, step);
  const coefficients = [retain * (sigmaNext / sigma) ** 2, alphaNext * (spread / sigma ** 2)];
  batch.combine(batch.x, [batch.x, estimate], coefficients, { scale: noise, address });
}

function clippedEstimate(batch: Batch, step: Step): Float32Array {
  const estimate = new Float32Array(batch.x.length);
  batch.estimate(estimate, step);
  const [low, high] = batch.model.sde.dataRange;
  for (let i = 0; i < estimate.length; i++) estimate[i] = Math.min(Math.max(estimate[i]!, low), high);
  return estimate;
}

/** Runs the corrector at a time; says whether it made any step. */
async function correct(
  batch: Batch,
  corrector: Corrector,
  k: number,
  level: Level,
  watched?: Watched,
): Promise<boolean> {
  for (let substep = 0; substep < corrector.steps; substep++) {
    await batch.evaluate(level, k);
    if (substep === 0) watched?.observer.evaluated?.(watched.step, level, batch);
    langevinStep(batch, corrector, k, substep, level);
  }
  return corrector.steps > 0;
}

/** x <- x + eps s + sqrt(2 eps) z with the corrector's step size, after an evaluation at `level`. */
function langevinStep(batch: Batch, corrector: Corrector, k: number, substep: number, level: Level): void {
  const { sde } = batch.model;
  const address = batch.noise(Stream.corrector, k, substep);
  const { rule } = corrector;
  if ('size' in rule) {
    const size = rule.size(level, sde);
    batch.update({ state: 1, score: size, noise: Math.sqrt(2 * size) }, level, address);
    return;
  }
  const score = batch.model.coefficients(level.t, level.index);
  const row = [score.state, score.output, rule.factor(level, sde)];
  langevinKernel(batch.x, batch.output, batch.repeat(row), rule.norm, address);
}

/** Replaces the state at a time by the posterior mean of x_0. */
async function tweedie(batch: Batch, time: Time, step: number): Promise<void> {
  await batch.evaluate(time, step, 'denoise');
  batch.estimate(batch.x, time);
}
