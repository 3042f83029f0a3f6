import { fileURLToPath } from 'node:url';
import type { ScoreModel } from '../../src/score/model.js';
import { levelAt, type Level } from '../../src/sde/level.js';

/** The data of test/fixtures/models: 8 x 8 images mean + common c + s z with one c ~ N(0, a^2) for all pixels. */
export interface GaussianImage {
  readonly mean: number;
  readonly a: number;
  readonly s: number;
}

export const signed: GaussianImage = { mean: -0.4, a: 0.3, s: 0.1 };
export const unsigned: GaussianImage = { mean: 0.3, a: 0.15, s: 0.05 };
export const PIXELS = 64;

export function fixture(name: string): string {
  return fileURLToPath(new URL(`../../../test/fixtures/models/${name}.onnx`, import.meta.url));
}

/** The score at x = alpha x_0 + sigma z, by the Sherman-Morrison inverse of p I + q 1 1^T. */
export function exactScore(
  x: ArrayLike<number>,
  { mean, a, s }: GaussianImage,
  { alpha, sigma }: { alpha: number; sigma: number },
): number[] {
  const p = (alpha * s) ** 2 + sigma ** 2;
  const q = (alpha * a) ** 2;
  const centred = Array.from(x, (value) => value - alpha * mean);
  const sum = centred.reduce((total, value) => total + value, 0);
  return centred.map((value) => -(value - (q * sum) / (p + PIXELS * q)) / p);
}

/** A time, or a position in a ladder. */
export type Place = number | { readonly index: number };

/** Deterministic points spread about the marginal: x = alpha (mean + a) + 2 sigma sin(...). */
export function pointsOf(
  model: ScoreModel,
  times: readonly Place[],
  data: GaussianImage,
): { x: Float32Array; levels: Level[] } {
  const levels = times.map((place) =>
    typeof place === 'number' ? levelAt(model, place) : levelAt(model, 0, place.index),
  );
  const x = Float32Array.from({ length: times.length * PIXELS }, (_, i) => {
    const { alpha, sigma } = levels[Math.floor(i / PIXELS)]!;
    return alpha * (data.mean + data.a) + 2 * sigma * Math.sin(1 + 1.7 * i);
  });
  return { x, levels };
}

/** The largest difference between the model's score and the exact one, times sigma. */
export async function scoreError(
  model: ScoreModel,
  times: readonly Place[],
  data: GaussianImage | readonly GaussianImage[],
  labels?: Int32Array,
): Promise<number> {
  const dataOf = (i: number) =>
    Array.isArray(data) ? (data as GaussianImage[])[i]! : (data as GaussianImage);
  const { x, levels } = pointsOf(model, times, dataOf(0));
  const output = new Float32Array(x.length);
  await model.evaluate(x, levels, output, labels);
  let worst = 0;
  levels.forEach((level, i) => {
    const own = x.subarray(i * PIXELS, (i + 1) * PIXELS);
    const { state, output: gain } = model.coefficients(level);
    exactScore(own, dataOf(i), level).forEach((exact, j) => {
      const found = state * own[j]! + gain * output[i * PIXELS + j]!;
      const error = level.sigma * Math.abs(found - exact);
      worst = Number.isNaN(error) ? Infinity : Math.max(worst, error);
    });
  });
  return worst;
}
