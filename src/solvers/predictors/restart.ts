import { checkClip, type Clip } from '../clipping.js';
import { OptionError } from '../../errors.js';
import { checkInteger, checkKnown, checkNumber, isList } from '../../options.js';
import type { ScoreModel } from '../../score/model.js';
import type { Level } from '../../sde/level.js';
import { predictorOptions } from '../names.js';
import type { Predictor } from '../predictor.js';
import { ddimFromNoise } from './ddim.js';
import { levelOfNoise, noiseToSignal, raiseNoise, secondEvaluations, secondOrder } from '../second-order.js';

/** An interval of noise levels sigma / alpha that is gone through again and again. */
export interface RestartInterval {
  /** Where it ends, as sigma / alpha. */
  readonly least: number;
  /** Where it begins again, as sigma / alpha. */
  readonly most: number;
  /** Steps from `most` down to the level of the grid where `least` is passed. */
  readonly steps: number;
  /** How often. */
  readonly times: number;
}

/** Options of {@link restart}. */
export interface RestartOptions {
  /** Default: from 0.06 to 0.3 twice, with 3 steps, as published for CIFAR-10. */
  readonly intervals?: readonly RestartInterval[] | undefined;
  /** Standard deviation of the noise of a restart. Default 1. */
  readonly noise?: number | undefined;
  /** How the estimate of x_0 is kept within the data range at every evaluation. Default false. */
  readonly clip?: Clip | undefined;
}

/**
 * Restart sampling (Xu et al. 2023, algorithm 2): Heun's method in sigma / alpha, which where it has passed an interval of noise
 * levels puts its noise back and goes through it again. Two evaluations a step, those of restarts included.
 */
export function restart(options: RestartOptions = {}): Predictor {
  checkKnown(options, predictorOptions.restart);
  const { intervals = [{ least: 0.06, most: 0.3, steps: 3, times: 2 }], noise = 1, clip = false } = options;
  checkClip(clip);
  checkIntervals(intervals);
  checkNumber('noise', noise, 0);
  return {
    name: 'restart',
    continuous: true,
    precision: 'double',
    fromNoise: ddimFromNoise({ clip }),
    defaults: { steps: 18, grid: 'karras' },
    resolve: () => ({ intervals, noise, clip }),
    inner({ from, to }, { noisy }) {
      // All steps of an interval but the last lead to a level with noise.
      const again = noisy ? intervals.filter((interval) => isPassed(interval, from, to)) : [];
      const inside = again.map(({ steps, times }) => times * (2 * steps - 1 + secondEvaluations(to)));
      return inside.reduce((sum, cost) => sum + cost, secondEvaluations(to));
    },
    begin(batch) {
      const { model } = batch;
      const advance = secondOrder(batch, 1, clip);
      return async ({ k, from, to }, address) => {
        await advance(k, from, to);
        if (!address) return;
        let visit = 0;
        for (const interval of intervals) {
          if (!isPassed(interval, from, to)) continue;
          const { most, steps, times } = interval;
          const levels = karrasLevels(model, most, to, steps);
          for (let time = 0; time < times; time++) {
            raiseNoise(batch, to, levels[0]!, noise, { ...address, visit: ++visit });
            for (let i = 0; i < steps; i++) {
              await batch.evaluate(levels[i]!, k);
              await advance(k, levels[i]!, levels[i + 1]!);
            }
          }
        }
      };
    },
  };
}

function checkIntervals(intervals: readonly RestartInterval[]): void {
  if (!isList(intervals)) throw new OptionError('intervals', intervals, 'an array of intervals');
  intervals.forEach((interval, i) => {
    const path = `intervals[${i}]`;
    checkKnown(interval, ['least', 'most', 'steps', 'times'], path);
    checkNumber(`${path}.most`, interval.most, checkNumber(`${path}.least`, interval.least, 0));
    checkInteger(`${path}.steps`, interval.steps, 1);
    checkInteger(`${path}.times`, interval.times, 1);
  });
}

/** Whether a step leads out of an interval at its lower end. */
function isPassed({ least, most }: RestartInterval, from: Level, to: Level): boolean {
  return noiseToSignal(from) > least && noiseToSignal(to) <= least && noiseToSignal(to) < most;
}

/** Levels even in (sigma / alpha)^(1/7), from a noise level down to one that is known. */
function karrasLevels(model: ScoreModel, most: number, end: Level, steps: number): Level[] {
  const [first, last] = [most ** (1 / 7), noiseToSignal(end) ** (1 / 7)];
  return Array.from({ length: steps + 1 }, (_, i) =>
    i === steps ? end : levelOfNoise(model, (first + (i / steps) * (last - first)) ** 7),
  );
}
