import type { NoiseAddress } from '../device/binding.js';
import type { Elements } from '../device/device.js';
import type { ScoreModel } from '../score/model.js';
import type { Step } from '../sde/grid.js';
import type { Level } from '../sde/level.js';
import type { Batch } from './batch.js';
import { checkClip, estimator, type Clip, type Estimator } from './clipping.js';
import { defined } from '../options.js';
import type { Predictor, Resolved } from './predictor.js';
import { ddimFromNoise } from './predictors/ddim.js';

/** The scalars of a step: x_to = state x + sum_j weights[j] p_j + noise z with p_j the prediction at levels[j]. */
export interface Combination {
  /** Factor of the state x. */
  readonly state: number;
  /** Factors of the predictions, newest first. */
  readonly weights: readonly number[];
  /** Default 0. */
  readonly noise?: number;
}

/** A multistep method, by its scalars. */
export interface Multistep {
  /** Its options as resolved, for the record of a run. */
  readonly options: Resolved;
  /** Predictions that a step uses once there are so many. */
  readonly order: number;
  /** What is remembered of every evaluation: the estimate of x_0 (default) or that of the noise. */
  readonly prediction?: 'data' | 'noise';
  /** Whether a step to the data is of the full order too. Default false: it has order 1. */
  readonly wholeToData?: boolean;
  /**
   * The step from levels[0] to `to`.
   * @param levels of the predictions, newest first; as many as the order of this step.
   */
  predict(levels: readonly Level[], to: Level, model: ScoreModel): Combination;
  /** The noise at the start of the walk as a multiple of the state, which then is not evaluated. Default: it is evaluated. */
  first?(level: Level): number;
  /** Corrects a step once its end was evaluated. */
  readonly correct?: {
    /** Predictions before the end that it uses once there are so many. */
    readonly order: number;
    /** The step from levels[1] to levels[0] again, with the prediction at its end as well. */
    combine(levels: readonly Level[], model: ScoreModel): Combination;
    /** Whether the corrected state is evaluated once more (PECE). Default false. */
    readonly evaluates?: boolean;
    /** Steps from the first on that are corrected. Default all. */
    readonly steps?: number;
    /** Whether the last step is corrected too, at the price of an evaluation. Default false. */
    readonly last?: boolean;
  };
}

/** What all multistep methods take. */
export interface MultistepOptions {
  /** How the estimate of x_0 is kept within the data range at every step. Default false. */
  readonly clip?: Clip | undefined;
  /** Take the order down to 1 over the last steps, as is published for few. Default: below 15 steps. */
  readonly lowerOrderFinal?: boolean | undefined;
}

/** Steps below which the published codes lower the order at the end (Lu et al. 2022b, section 4). */
const FEW_STEPS = 15;

/**
 * A multistep method as a predictor: one evaluation a step, one pass over the state, history in place. The first steps have
 * as many orders less as predictions are missing, and one that leads to the data mostly has order 1.
 *
 * A corrector of the method changes the state by the difference of two steps from the same start, in which state and noise
 * cancel: neither is kept.
 */
export function multistep(
  name: string,
  method: Multistep,
  { clip = false, lowerOrderFinal }: MultistepOptions,
): Pick<Predictor, 'name' | 'resolve' | 'blind' | 'inner' | 'begin' | 'fromNoise'> {
  const { correct } = method;
  checkClip(clip);
  const corrects = (k: number): boolean => k > 0 && k <= (correct?.steps ?? Infinity);
  const correctsEnd = ({ k, to }: Step, steps: readonly Step[]): boolean =>
    correct?.last === true && k === steps.length - 1 && to.sigma > 0;
  return {
    name,
    fromNoise: ddimFromNoise({ clip }),
    resolve: () => ({ ...method.options, clip, ...defined({ lowerOrderFinal }) }),
    ...(method.first && { blind: ({ k }: Step) => k === 0 }),
    inner: (step, { steps }) =>
      (correct?.evaluates && corrects(step.k) ? 1 : 0) + (correctsEnd(step, steps) ? 1 : 0),
    begin(batch, steps) {
      const { model, x } = batch;
      // A correction takes back a step of the full order, with the prediction at its end.
      const kept = correct ? Math.max(method.order, correct.order) + 1 : method.order;
      const history = new History(batch, kept, method.prediction ?? 'data', estimator(clip));
      const lowers = lowerOrderFinal ?? steps.length < FEW_STEPS;
      let made: { readonly levels: readonly Level[]; readonly weights: readonly number[] } | undefined;

      /** What a corrector adds to the newest states, per prediction. */
      const correction = (): readonly number[] => {
        if (!correct || !made) return [];
        const { levels, weights } = made;
        const again = correct.combine([history.levels[0]!, ...levels], model).weights;
        return Array.from(
          { length: Math.max(again.length, weights.length + 1) },
          (_, j) => (again[j] ?? 0) - (j === 0 ? 0 : (weights[j - 1] ?? 0)),
        );
      };
      const add = (state: number, weights: readonly number[], noise = 0, address?: NoiseAddress): void => {
        const operands = [x, ...history.predictions.slice(0, weights.length)];
        batch.combine(x, operands, [state, ...weights], address && { scale: noise, address });
      };

      return async (step, address) => {
        const { k, from, to } = step;
        if (method.first && k === 0) history.begin(from, method.first(from));
        else history.add(from);
        let shift = corrects(k) ? correction() : [];
        if (correct?.evaluates && shift.length > 0) {
          add(1, shift);
          shift = [];
          await batch.evaluate(from, k);
          history.replace(from);
        }
        const left = lowers ? steps.length - k : Infinity;
        const known = (order: number) =>
          history.levels.slice(0, to.sigma === 0 && !method.wholeToData ? 1 : Math.min(order, left));
        const { state, weights, noise } = method.predict(known(method.order), to, model);
        const length = Math.max(weights.length, shift.length);
        const total = Array.from({ length }, (_, j) => (weights[j] ?? 0) + state * (shift[j] ?? 0));
        add(state, total, noise, address);
        made = { levels: known(correct?.order ?? 0), weights };
        if (correctsEnd(step, steps)) {
          await batch.evaluate(to, k);
          history.add(to);
          add(1, correction());
        }
      };
    },
  };
}

/** Predictions at the last levels, newest first, in arrays that are used again in turns. */
class History {
  levels: Level[] = [];
  predictions: Elements[];
  readonly #batch: Batch;
  readonly #prediction: 'data' | 'noise';
  readonly #estimate: Estimator;

  constructor(batch: Batch, length: number, prediction: 'data' | 'noise', estimate: Estimator) {
    this.predictions = Array.from({ length }, () => batch.like());
    this.#batch = batch;
    this.#prediction = prediction;
    this.#estimate = estimate;
  }

  /** Takes a multiple of the state for the first prediction. */
  begin(level: Level, multiple: number): void {
    this.levels = [level];
    this.#batch.combine(this.predictions[0]!, [this.#batch.x], [multiple]);
  }

  /** Takes the prediction of the last evaluation, which was at this level, in place of the oldest. */
  add(level: Level): void {
    this.predictions = [this.predictions.at(-1)!, ...this.predictions.slice(0, -1)];
    this.levels = [level, ...this.levels].slice(0, this.predictions.length);
    this.replace(level);
  }

  /** Takes it in place of the newest. */
  replace(level: Level): void {
    const newest = this.predictions[0]!;
    this.#estimate(this.#batch, newest);
    if (this.#prediction === 'data') return;
    // z in x = alpha x_0 + sigma z.
    const { x } = this.#batch;
    this.#batch.combine(newest, [x, newest], [1 / level.sigma, -level.alpha / level.sigma]);
  }
}
