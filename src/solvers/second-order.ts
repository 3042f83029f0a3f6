import type { NoiseAddress } from '../device/binding.js';
import type { Elements } from '../device/device.js';
import type { ScoreModel } from '../score/model.js';
import { levelAt, type Level } from '../sde/level.js';
import type { Batch } from './batch.js';
import { estimator, type Clip } from './clipping.js';

/** rho = sigma / alpha: the noise level of Karras et al. 2022. */
export const noiseToSignal = ({ sigma, alpha }: Level): number => sigma / alpha;

/** The level with this noise level, of a model in continuous time. */
export function levelOfNoise(model: ScoreModel, level: number): Level {
  return levelAt(model, model.sde.timeOfLambda(-Math.log(level)));
}

/** Takes the state from a level to one of more noise, with noise of so many times the standard deviation that belongs there. */
export function raiseNoise(batch: Batch, from: Level, to: Level, times: number, address: NoiseAddress): void {
  const added = Math.max(0, noiseToSignal(to) ** 2 - noiseToSignal(from) ** 2);
  const scale = times * to.alpha * Math.sqrt(added);
  batch.combine(batch.x, [batch.x], [to.alpha / from.alpha], { scale, address });
}

/** Evaluations of {@link secondOrder} within a step that leads to this level. */
export const secondEvaluations = ({ sigma }: Level): number => (sigma === 0 ? 0 : 1);

/**
 * A step of order 2 on d(x / alpha) / d rho = e, the noise in x = alpha x_0 + sigma e, after an evaluation at `from`; at the data,
 * where e is not defined, a step of Euler's.
 */
export function secondOrder(
  batch: Batch,
  node: number,
  clip: Clip,
): (k: number, from: Level, to: Level) => Promise<void> {
  const estimate = estimator(clip);
  const [first, second, trial] = [batch.like(), batch.like(), batch.like()];
  const predict = (out: Elements, state: Elements, { alpha, sigma }: Level): void => {
    estimate(batch, out, state);
    batch.combine(out, [state, out], [1 / sigma, -alpha / sigma]);
  };
  return async (k, from, to) => {
    const { x, model } = batch;
    predict(first, x, from);
    const h = noiseToSignal(to) - noiseToSignal(from);
    const scale = to.alpha / from.alpha;
    if (to.sigma === 0) {
      batch.combine(x, [x, first], [scale, to.alpha * h]);
      return;
    }
    const inner = node === 1 ? to : levelOfNoise(model, noiseToSignal(from) + node * h);
    batch.combine(trial, [x, first], [inner.alpha / from.alpha, inner.alpha * node * h]);
    await batch.evaluate(inner, k, { state: trial });
    predict(second, trial, inner);
    const weight = to.alpha * h * (1 / (2 * node));
    batch.combine(x, [x, first, second], [scale, to.alpha * h - weight, weight]);
  };
}
