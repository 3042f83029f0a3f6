import { ends, type LevelReading, type Reading, type Verdict } from './findings.js';

type Range = readonly [number, number];

/** Whether the estimates of x_0 at the least, a middle and the most noise are those of a denoiser. */
export function judge(
  levels: readonly LevelReading[],
  { parameterization }: Reading,
  [low, high]: Range,
): Verdict {
  const [small, half, large] = ends(levels);
  const radius = (high - low) / 2;
  // Where F is the noise up to a factor, its relative error is multiplied by rho in the estimate of x_0.
  const noiseLike = parameterization === 'eps' || parameterization === 'score';
  const leakOf = ({ leak, rho }: LevelReading) => {
    const unit = noiseLike ? rho : radius;
    // White noise of the whole range is the worst that data can be: its estimate carries r^2 rho / (r^2 + rho^2).
    return (Math.abs(leak) - (radius ** 2 * rho) / (radius ** 2 + rho ** 2)) / unit;
  };
  const leak = Math.max(leakOf(large), leakOf(levels.at(-1)!));
  const lost = Math.abs((small.high - small.low) / (high - low) - 1);
  const amplified = Math.max(-half.leak / half.rho, half.leak / half.rho - 1);
  const within = (factor: number) =>
    leak < factor * (noiseLike ? 0.06 : 0.2) && lost < factor * 0.4 && amplified < factor * 0.3;
  return within(1) ? 'right' : within(2.5) ? 'doubtful' : 'wrong';
}

/** The levels between hardly any noise and nothing else. */
function middle(levels: readonly LevelReading[]): readonly LevelReading[] {
  return levels.slice(1, 5);
}

/** The levels but that of the most noise, at which estimates of structured data are far from settled. */
function settled(levels: readonly LevelReading[]): readonly LevelReading[] {
  return levels.slice(0, 6);
}

/** What is left at a level of the image (its contrast) and of the noise, each 1 where nothing was done and 0 where all was taken away. */
function gains({ low, high, leak, rho }: LevelReading, range: Range): { image: number; noise: number } {
  return { image: (high - low) / (range[1] - range[0]), noise: leak / rho };
}

/**
 * Whether the estimates are those of a denoiser at every level: no noise is turned around, none is left beyond what the whitest data
 * of the range hide, and of the image there is as much as of the noise at least, never more than there was, and less with more noise.
 */
export function isDenoiser(levels: readonly LevelReading[], range: Range, tolerance: number): boolean {
  const radius = (range[1] - range[0]) / 2;
  const [least, next] = levels.map((level) => gains(level, range).image) as [number, number];
  // Data that are there at hardly any noise outweigh all others at five times of it.
  if (least > 0.9 && next < 0.1) return false;
  let before = 1;
  return settled(levels).every((level) => {
    const { image, noise } = gains(level, range);
    const most = radius ** 2 / (radius ** 2 + level.rho ** 2);
    const right =
      noise > -tolerance &&
      noise < most + tolerance &&
      image > noise - tolerance &&
      image < before + tolerance;
    before = Math.min(before, image);
    return right;
  });
}

/**
 * How much of the image is lost and of the noise is left, over the levels where a denoiser of structured data does little of either.
 * White data, whose noise looks like them, have 1 a level under every reading.
 */
export function imperfection(levels: readonly LevelReading[], range: Range): number {
  return middle(levels).reduce((sum, level) => {
    const { image, noise } = gains(level, range);
    return sum + Math.abs(1 - image) + Math.abs(noise);
  }, 0);
}

/** How much of the noise is left, over the same levels. */
export function noiseKept(levels: readonly LevelReading[], range: Range): number {
  return middle(levels).reduce((sum, level) => sum + Math.abs(gains(level, range).noise), 0);
}

/** How much of the image is lost, over the same levels. */
export function imageLost(levels: readonly LevelReading[], range: Range): number {
  return middle(levels).reduce((sum, level) => sum + 1 - gains(level, range).image, 0);
}

/** Whether no more is kept of the image than the share alpha in which it is in x_t: as x_0 + rho z would be taken for x_t. */
export function keepsAlpha(
  levels: readonly LevelReading[],
  range: Range,
  alphaAt: (t: number) => number,
): boolean {
  return middle(levels).every((level) => gains(level, range).image < alphaAt(level.t) + 0.05);
}

/** Whether as much is kept of the image as of the noise, as by any affine map of x: that of white data, or none of the network's. */
export function isIsotropic(levels: readonly LevelReading[], range: Range, tolerance = 0.03): boolean {
  return settled(levels).every((level) => {
    const { image, noise } = gains(level, range);
    return Math.abs(image - noise) < tolerance;
  });
}

/**
 * Whether an output of zero would denoise nearly as well at half the data range, as under v, flows and edm it may: what says nothing, or
 * nothing that is known of, fits such a reading.
 * @param share of x_t / alpha that the estimate of an output of zero is, at a level
 */
export function isIdle(
  levels: readonly LevelReading[],
  range: Range,
  share: (level: LevelReading) => number,
): boolean {
  const [, half] = ends(levels);
  return share(half) > 0 && gains(half, range).noise > 0.6 * share(half);
}

/** How much of an output follows z, or how clearly it tells images apart, where a network answers what it is given: random weights have 0.2 and 1. */
const ANSWER = 0.35;
const CONTRAST = 3;

/** Whether the output has z in it where there is hardly anything else, as that of eps, scores and flows has. */
export function isNoise(levels: readonly LevelReading[]): boolean {
  const [, , large] = ends(levels);
  return Math.abs(large.answer) > 0.7;
}

/** Whether the output varies, and follows neither the noise nor the image at any level. */
export function isRandom(levels: readonly LevelReading[]): boolean {
  return levels.every(({ answer, contrast }) => Math.abs(answer) < ANSWER && contrast < CONTRAST);
}

/** Logarithm of the noise left in the estimates, over the levels of {@link ends}. */
export function noiseLeft(levels: readonly LevelReading[], [low, high]: Range): number {
  return ends(levels).reduce(
    (sum, { leak, rho }) => sum + Math.log(Math.abs(leak) / Math.min(rho, (high - low) / 2) + 1e-3),
    0,
  );
}
