import { Stream } from '../device/binding.js';
import { OptionError } from '../errors.js';
import { checkChoice, checkKnown } from '../options.js';
import { scoreRounding } from '../score/doubts.js';
import type { ScoreModel } from '../score/model.js';
import { saysData } from '../score/parameterization.js';
import { ladderGrid, timeGrid, usualGrid, type Grid, type Step } from '../sde/grid.js';
import type { GridName } from '../sde/names.js';
import { noiseGrids } from '../sde/spaced-levels.js';
import type { Batch } from './batch.js';
import { betweenLevels, levelDoubts, startOf } from './process-record.js';
import { stepsWithin } from './budget.js';
import { scheduleOf } from './schedule.js';
import { namedCorrector, namedPredictor, type Named } from './named.js';
import type { Corrector } from './corrector.js';
import { defaultCorrector } from './correctors/langevin.js';
import { denoises, sequences, solverOptions, type CorrectorName, type PredictorName } from './names.js';
import type { Move, Predictor } from './predictor.js';
import type { Plan, Solver } from './solver.js';
import { denoise as denoiseAt, stayAt, walk, type Visit } from './walk.js';

/**
 * `corrector-first` is the published code's: correct at t, then predict to the next time. `predictor-first` is
 * that of Song et al. 2021, algorithms 1 to 3: predict to the next time, then correct there.
 */
export type Sequence = (typeof sequences)[number];

/**
 * How the last noise is removed. `tweedie`: one more evaluation at the final level, then the posterior mean of x_0.
 * `mean`: the last predictor step without its noise, as the published code does. `none`: nothing is removed.
 */
export type Denoise = (typeof denoises)[number];

/** Which levels a solver walks. */
export interface WalkOptions {
  /**
   * Number of solver steps. Default 1000 (100 for ODE methods); for a model with trained levels, their number; for one with a scheduler of
   * diffusers, its pipeline's.
   */
  readonly steps?: number | undefined;
  /** Instead of steps: the evaluations that each sample may take, for every purpose; as many steps are made as they pay for. */
  readonly evaluations?: number | undefined;
  /**
   * Default: that of the predictor, mostly `uniform-t` (`karras` for EDM). A name of times from T to epsilon, the times themselves, or `reference`,
   * the published loop. A model with trained levels walks those down to the data, evenly spread or nearest to the noise levels of
   * `uniform-lambda`, `exponential`, `karras` or `arctan`; on other grids, with `epsilon`, and by methods that evaluate within their steps it
   * is one in continuous time. A model with a scheduler of diffusers walks its levels where neither this nor `rho` nor `epsilon` is given.
   */
  readonly grid?: Grid | undefined;
  /** Exponent of the grids `karras` (default 7), `power` (default 3) and `polyexponential` (default 1); factor of `shifted` (default 3). */
  readonly rho?: number | undefined;
  /** Time at which sampling stops. Default: the SDE's (1e-3 for VP and sub-VP, 1e-5 for VE). */
  readonly epsilon?: number | undefined;
}

/** Options of {@link predictorCorrector}. */
export interface PredictorCorrectorOptions extends WalkOptions {
  /** Default: reverse diffusion. */
  readonly predictor?: Named<PredictorName, Predictor> | undefined;
  /** Default: Langevin with snr 0.16, one step, per-sample norms; `ald` in few dimensions and for closed forms. */
  readonly corrector?: Named<CorrectorName, Corrector> | undefined;
  /** Default `corrector-first`. Without a predictor on the exact grid, corrections follow the way to each level. */
  readonly sequence?: Sequence | undefined;
  /** Default `tweedie` where the grid ends at epsilon; `mean` where it leads to the data (the published one, a ladder) and a predictor comes last. */
  readonly denoise?: Denoise | undefined;
}

/** Predictor-corrector sampling (Song et al. 2021, algorithm 1). Costs steps x (1 + corrector steps) evaluations. */
export function predictorCorrector(options: PredictorCorrectorOptions = {}): Solver {
  checkKnown(options, solverOptions['predictor-corrector']);
  const { sequence = 'corrector-first' } = options;
  checkChoice('sequence', sequence, sequences);
  checkBudget(options);
  const predictor = namedPredictor(options.predictor === undefined ? 'reverse-diffusion' : options.predictor);
  const given = options.corrector === undefined ? undefined : namedCorrector(options.corrector);
  const planned = (model: ScoreModel, way: WalkOptions): Plan & { readonly evaluations: number } => {
    const corrector = given ?? namedCorrector(defaultCorrector(model));
    const schedule = isFree(way) ? scheduleOf(model, predictor) : undefined;
    const steps = schedule ? schedule.steps(way.steps ?? schedule.usual) : stepsOf(model, predictor, way);
    const isBetween = schedule?.isBetween(steps) ?? false;
    // On the published grid and on a ladder the last predictor step leads to the data, where there is nothing left to correct.
    const last = steps.at(-1)!;
    const toData = last.to.sigma === 0;
    const predictsLast = toData && sequence === 'corrector-first' && !predictor.still;
    const denoise = options.denoise ?? (predictsLast ? 'mean' : schedule && !toData ? 'none' : 'tweedie');
    checkDenoise(denoise, sequence, predictor);
    const end = toData ? last.from : last.to;
    const ahead = sequence === 'predictor-first' || (predictor.still && !toData);
    const walked = sequence === 'predictor-first' && toData ? steps.slice(0, -1) : steps;
    const isNoisy = (k: number): boolean => !(denoise === 'mean' && k === walked.length - 1);
    const costs = methodsOf(predictor, walked).map(({ method, step, steps }, k) => {
      if (method.still) return corrector.steps;
      const first = method.blind?.(step) ? 0 : 1;
      const inner = method.inner?.(step, { model, steps, noisy: isNoisy(k) }) ?? 0;
      return first + inner + corrector.steps;
    });
    const { from } = walked[0]!;
    return {
      steps: walked.length,
      evaluations: costs.reduce((sum, cost) => sum + cost, denoise === 'tweedie' ? 1 : 0),
      precision: predictor.precision ?? 'single',
      constrains: true,
      options: {
        solver: 'predictor-corrector',
        predictor: predictor.name,
        ...predictor.resolve?.(model, walked),
        corrector: corrector.name,
        ...corrector.resolve?.(model),
        steps: steps.length,
        grid: schedule ? 'scheduler' : model.ladder && toData ? 'ladder' : gridOf(model, predictor, way),
        ...(schedule && { scheduler: schedule.record }),
        epsilon: end.t,
        sequence,
        denoise,
        ...startOf(model, from.t),
        ...((schedule ? isBetween : !toData) && betweenLevels(model)),
      },
      warnings: [
        ...(isFree(way) ? (model.scheduler?.doubts ?? []) : []),
        ...(corrector.warnings?.(model) ?? []),
        ...scoreRounding(model, end.sigma),
        ...(predictor.continuous || isBetween ? levelDoubts(model) : []),
      ],
      // Where no signal is left the law is known, and some schedulers take none to be left.
      ...((from.alpha === 0 || schedule?.startsAtSigma) && {
        start: (batch: Batch) => {
          batch.drawPrior(from.sigma);
        },
      }),
      async run(batch, observer) {
        const predict = predicting(batch, predictor, walked);
        const correct = correcting(batch, corrector, walked);
        const visits = walked.map((step, k) =>
          ahead
            ? [...predict(step, isNoisy(k)), ...correct(steps[k + 1] ?? stayAt(end, k + 1), k)]
            : [...correct(step, k), ...predict(step, isNoisy(k))],
        );
        await walk(batch, visits, observer);
        if (denoise === 'tweedie') await denoiseAt(batch, end, walked.length);
      },
    };
  };
  return {
    name: 'predictor-corrector',
    plan(model) {
      const { evaluations } = options;
      if (evaluations === undefined) return planned(model, options);
      const { ladder } = model;
      const onLevels = ladder && (ladder.nearest || !isContinuous(predictor, options));
      const most = onLevels ? ladder.levels - (isContinuous(predictor, options) ? 1 : 0) : Infinity;
      const cost = (steps: number): number => planned(model, { ...options, steps }).evaluations;
      return planned(model, { ...options, steps: stepsWithin(evaluations, cost, most) });
    },
  };
}

/** Throws where the steps are given both by their number and by what they may cost. */
function checkBudget({ evaluations, steps, grid }: WalkOptions): void {
  if (evaluations === undefined) return;
  if (steps !== undefined) throw new OptionError('evaluations', evaluations, 'left out where steps is given');
  if (grid === 'reference') {
    const expected = "left out with grid 'reference', the published loop, for which steps is given";
    throw new OptionError('evaluations', evaluations, expected);
  }
  if (grid !== undefined && typeof grid !== 'string')
    throw new OptionError('evaluations', evaluations, 'left out where grid is an array of times');
}

/** The move with which a method starts a batch. */
function begun(kind: string, method: Predictor | Corrector, batch: Batch, steps: readonly Step[]): Move {
  const move: unknown = method.begin(batch, steps);
  if (typeof move === 'function') return move as Move;
  throw new OptionError(`${kind}.begin`, method, `a function that returns a move: (step, noise) => void`);
}

/** A step as the method that makes it counts it, and all that it makes. */
interface OwnStep {
  readonly method: Predictor;
  readonly step: Step;
  readonly steps: readonly Step[];
}

/** What makes each step: the first, from where no signal is left, is another method's, and the predictor begins behind it. */
function methodsOf(predictor: Predictor, steps: readonly Step[]): OwnStep[] {
  const [first, ...rest] = steps;
  const { fromNoise } = predictor;
  if (!fromNoise || first?.from.alpha !== 0) return steps.map((step) => ({ method: predictor, step, steps }));
  const later = rest.map((step, k) => ({ ...step, k }));
  return [
    { method: fromNoise, step: first, steps: [first] },
    ...later.map((step) => ({ method: predictor, step, steps: later })),
  ];
}

/** The visit of a predictor over a step. */
function predicting(
  batch: Batch,
  predictor: Predictor,
  steps: readonly Step[],
): (step: Step, noisy: boolean) => Visit[] {
  const methods = methodsOf(predictor, steps);
  const moves = new Map<Predictor, Move>();
  for (const { method, steps } of methods)
    if (!moves.has(method)) moves.set(method, begun('predictor', method, batch, steps));
  return ({ k }, noisy) => {
    const { method, step } = methods[k]!;
    if (method.still) return [];
    const move = moves.get(method)!;
    const address = noisy ? batch.noise(Stream.predictor, k) : undefined;
    return [{ at: step.from, to: step.to, move: () => move(step, address), blind: method.blind?.(step) }];
  };
}

/** The visits of a corrector at the level from which a step starts. */
function correcting(
  batch: Batch,
  corrector: Corrector,
  steps: readonly Step[],
): (step: Step, k: number) => Visit[] {
  const move = begun('corrector', corrector, batch, steps);
  return (step, k) =>
    Array.from({ length: corrector.steps }, (_, substep) => ({
      at: step.from,
      to: step.from,
      move: () => move(step, batch.noise(Stream.corrector, k, substep)),
    }));
}

function gridOf({ sde }: ScoreModel, { defaults }: Predictor, { grid }: WalkOptions): Grid {
  return grid ?? defaults?.grid ?? usualGrid(sde);
}

/** Whether no option says which levels are walked, but for their number. */
function isFree({ grid, rho, epsilon }: WalkOptions): boolean {
  return grid === undefined && rho === undefined && epsilon === undefined;
}

function stepsOf(model: ScoreModel, predictor: Predictor, options: WalkOptions): Step[] {
  const { rho, epsilon, steps } = options;
  const { sigmaData } = model;
  const fromNoise = predictor.fromNoise !== undefined && saysData(model.parameterization);
  if (options.grid === 'reference') checkReference(model, predictor);
  if (!model.ladder || isContinuous(predictor, options)) {
    const grid = gridOf(model, predictor, options);
    const most = model.ladder?.nearest ? model.ladder.levels - 1 : Infinity;
    const usual = Math.min(most, predictor.defaults?.steps ?? 1000);
    const number = steps ?? (typeof grid === 'string' ? usual : undefined);
    return timeGrid(model.sde, { steps: number, grid, rho, epsilon, sigmaData, fromNoise });
  }
  const { levels } = model.ladder;
  const grid = ladderGridOf(predictor, options);
  return ladderGrid(model.sde, model.ladder, {
    steps: steps ?? Math.min(levels, predictor.defaults?.steps ?? levels),
    ...{ grid, rho, sigmaData, fromNoise },
  });
}

/** Whether a model of trained levels is taken for one in continuous time, and not walked from level to level down to the data. */
function isContinuous({ continuous }: Predictor, { grid, epsilon }: WalkOptions): boolean {
  const levels: readonly unknown[] = noiseGrids;
  return continuous === true || epsilon !== undefined || (grid !== undefined && !levels.includes(grid));
}

/** The grid whose noise levels a ladder is walked near; undefined for levels that are evenly spread over it. */
function ladderGridOf({ defaults }: Predictor, { grid, rho }: WalkOptions): GridName | undefined {
  const known = defaults?.grid === 'quadratic' ? undefined : defaults?.grid;
  if (typeof grid === 'string') return grid;
  return known ?? (rho === undefined ? undefined : 'karras');
}

/** Throws where the published loop cannot be walked. */
function checkReference({ ladder }: ScoreModel, { name, continuous }: Predictor): void {
  if (!ladder && !continuous) return;
  const expected = ladder
    ? `another: the model was trained on ${ladder.levels} levels of its own`
    : `another with ${name}, which evaluates between the times of its grid`;
  throw new OptionError('grid', 'reference', expected);
}

function checkDenoise(denoise: Denoise, sequence: Sequence, predictor: Predictor): void {
  checkChoice('denoise', denoise, denoises);
  if (denoise !== 'mean') return;
  if (sequence === 'predictor-first') {
    // A Langevin step without its noise removes 3.8 % of the standard deviation at snr 0.16.
    throw new OptionError(
      'denoise',
      denoise,
      "'tweedie' or 'none' with sequence 'predictor-first', whose last step is a corrector's: its mean is not a denoiser",
    );
  }
  if (predictor.still) throw new OptionError('denoise', denoise, "'tweedie' or 'none' without a predictor");
}
