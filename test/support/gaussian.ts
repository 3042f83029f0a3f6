import { closable } from '../../src/closing.js';
import type { ScoreModel } from '../../src/score/model.js';
import type { Sde } from '../../src/sde/sde.js';

export interface Instrumented extends ScoreModel {
  /** Batch sizes and times of the evaluations so far. */
  readonly calls: { size: number; t: number; index?: number }[];
}

/** The exact score of data N(mean, std^2) in every coordinate, as a model whose output is the score. */
export function gaussianModel(
  sde: Sde,
  options: { shape?: readonly number[]; mean?: number; std?: number; change?: Partial<ScoreModel> } = {},
): Instrumented {
  const { shape = [2], mean = 0.3, std = 0.5, change } = options;
  const elements = shape.reduce((product, n) => product * n, 1);
  const calls: Instrumented['calls'] = [];
  return {
    shape,
    sde,
    parameterization: 'score',
    calls,
    coefficients: () => ({ state: 0, output: 1 }),
    evaluate(x, levels, output) {
      const { t, index } = levels[0]!;
      calls.push({ size: levels.length, t, ...(index !== undefined && { index }) });
      for (const [b, { alpha, sigma }] of levels.entries()) {
        const total = (alpha * std) ** 2 + sigma ** 2;
        for (let i = b * elements; i < (b + 1) * elements; i++) output[i] = (alpha * mean - x[i]!) / total;
      }
    },
    ...closable(() => Promise.resolve()),
    ...change,
  };
}

/** Mean and standard deviation of all values. */
export function moments(values: ArrayLike<number>): { mean: number; std: number } {
  let sum = 0;
  let squares = 0;
  for (let i = 0; i < values.length; i++) {
    sum += values[i]!;
    squares += values[i]! ** 2;
  }
  const mean = sum / values.length;
  return { mean, std: Math.sqrt(squares / values.length - mean ** 2) };
}
