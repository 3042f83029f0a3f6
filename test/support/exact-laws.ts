import type { LawScore } from './exact-conventions.js';

/** A law of pictures of 8 x 8 pixels, by its score, in units of the range of data. */
type Law = (range: readonly [number, number]) => LawScore;

const SIDE = 8;
const PIXELS = SIDE * SIDE;

/** Equally many about each pattern, with the deviation `spread` in every pixel; patterns in [-1, 1] over the range. */
export function aboutPatterns(patterns: readonly Float64Array[], spread: number): Law {
  return ([low, high]) => {
    const [middle, radius] = [(low + high) / 2, (high - low) / 2];
    const centres = patterns.map((pattern) => pattern.map((value) => middle + radius * value));
    return (x, { alpha, sigma }) => {
      const variance = (alpha * spread * radius) ** 2 + sigma ** 2;
      const distances = centres.map((centre) =>
        centre.reduce((sum, c, i) => sum + (x[i]! - alpha * c) ** 2, 0),
      );
      const least = Math.min(...distances);
      const shares = distances.map((distance) => Math.exp((least - distance) / (2 * variance)));
      const all = shares.reduce((sum, share) => sum + share);
      const score = new Float64Array(PIXELS);
      centres.forEach((centre, k) => {
        const share = shares[k]! / all;
        if (share < 1e-12) return;
        for (let i = 0; i < PIXELS; i++) score[i]! -= (share * (x[i]! - alpha * centre[i]!)) / variance;
      });
      return score;
    };
  };
}

/** Gaussian pictures of this mean whose patterns of frequency k have the deviation `of(k)`, in an orthonormal cosine basis. */
export function waves(mean: number, of: (frequency: number) => number): Law {
  const basis = Array.from({ length: SIDE }, (_, k) =>
    Float64Array.from(
      { length: SIDE },
      (_, i) => Math.sqrt((k === 0 ? 1 : 2) / SIDE) * Math.cos((Math.PI * k * (i + 0.5)) / SIDE),
    ),
  );
  /** Coefficients of an array of pictures' rows and columns, or back. */
  const turn = (values: ArrayLike<number>, back: boolean) => {
    const half = new Float64Array(PIXELS);
    const out = new Float64Array(PIXELS);
    const at = (k: number, i: number) => (back ? basis[i]![k]! : basis[k]![i]!);
    for (let r = 0; r < SIDE; r++)
      for (let k = 0; k < SIDE; k++)
        for (let i = 0; i < SIDE; i++) half[r * SIDE + k]! += at(k, i) * values[r * SIDE + i]!;
    for (let k = 0; k < SIDE; k++)
      for (let c = 0; c < SIDE; c++)
        for (let r = 0; r < SIDE; r++) out[k * SIDE + c]! += at(k, r) * half[r * SIDE + c]!;
    return out;
  };
  return ([low, high]) => {
    const [middle, radius] = [(low + high) / 2, (high - low) / 2];
    return (x, { alpha, sigma }) => {
      const centred = Array.from(x, (value) => value - alpha * (middle + radius * mean));
      const coefficients = turn(centred, false);
      for (let r = 0; r < SIDE; r++) {
        for (let c = 0; c < SIDE; c++) {
          const deviation = alpha * radius * of(Math.hypot(r, c));
          coefficients[r * SIDE + c]! /= -(deviation ** 2 + sigma ** 2);
        }
      }
      return turn(coefficients, true);
    };
  };
}

/** Greys with the deviation `grey` of their means, and `noise` in every pixel. */
const greysOf = (mean: number, grey: number, noise: number) =>
  waves(mean, (frequency) => (frequency === 0 ? Math.hypot(SIDE * grey, noise) : noise));

let seed = 3;
const uniform = () => (seed = (seed * 48271) % 2147483647) / 2147483647;
/** Bright blots on black. */
const blots = Array.from({ length: 12 }, () => {
  const [row, column] = [Math.floor(6 * uniform()), Math.floor(6 * uniform())];
  return Float64Array.from({ length: PIXELS }, (_, i) => {
    const [r, c] = [Math.floor(i / SIDE) - row, (i % SIDE) - column];
    return r >= 0 && r < 3 && c >= 0 && c < 3 ? 1 : -1;
  });
});

export const laws: Readonly<Record<string, Law>> = {
  greys: greysOf(0, 0.7, 0.1),
  // As photographs: most in what is smooth.
  smooth: waves(-0.1, (k) => 4 / (1 + k) ** 1.5),
  white: waves(0, () => 0.5),
  tight: greysOf(0, 0.05, 0.02),
  narrow: greysOf(-0.3, 0.15, 0.05),
  bright: greysOf(0.7, 0.15, 0.05),
  dark: greysOf(-0.7, 0.15, 0.05),
  blots: aboutPatterns(blots, 0.05),
  negative: aboutPatterns(
    blots.map((blot) => blot.map((value) => -value)),
    0.05,
  ),
};
