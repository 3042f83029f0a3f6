import { powerFunctionExponent } from './ema.js';

/**
 * What a power-function average weighs: after `step` steps the parameters of a time t <= step have the density
 * (gamma + 1) t^gamma / step^(gamma + 1), whose standard deviation is `deviation` (sigma_rel) times `step`.
 */
export interface AverageProfile {
  readonly deviation: number;
  readonly step: number;
}

/** The averages that are kept, and how closely they can imitate another one. */
export interface ProfileFit {
  /** Of each kept average in the sum. */
  readonly weights: Float64Array;
  /** |target - sum| / |target|, norms of profiles in L2. */
  readonly error: number;
}

/** Pivot, of a matrix with ones on its diagonal, from which on a profile counts as made of others. */
const LEAST_PIVOT = 1e-13;

/** A profile by its exponent. */
interface Power {
  readonly gamma: number;
  readonly step: number;
}

/** The integral over time of the product of two profiles (Karras et al. 2024, appendix C). */
export function profileProduct(a: Power, b: Power): number {
  const [early, late] = a.step <= b.step ? [a, b] : [b, a];
  const scale = ((early.gamma + 1) * (late.gamma + 1)) / (early.gamma + late.gamma + 1);
  return (scale * (early.step / late.step) ** late.gamma) / late.step;
}

/**
 * The weights with which kept averages add up to the profile that is nearest to the target's in L2 (Karras et al. 2024, section
 * 3.2). A target that is kept is found again. Averages after the target's step get the weight 0, and so do those that add nothing
 * within rounding.
 */
export function fitProfile(wanted: AverageProfile, kept: readonly AverageProfile[]): ProfileFit {
  const power = ({ deviation, step }: AverageProfile): Power => ({
    gamma: powerFunctionExponent(deviation),
    step,
  });
  const target = power(wanted);
  const weights = new Float64Array(kept.length);
  // From the latest on: of averages that are alike the later ones stay.
  const order = kept.map((_, i) => i).filter((i) => kept[i]!.step <= target.step);
  order.sort((i, j) => kept[j]!.step - kept[i]!.step);
  const profiles = order.map((i) => power(kept[i]!));
  const norms = profiles.map((profile) => Math.sqrt(profileProduct(profile, profile)));
  const norm = Math.sqrt(profileProduct(target, target));

  // Cholesky: orthonormal profiles, in which the target's coordinates leave the error.
  const rows: Float64Array[] = [];
  const used: number[] = [];
  const coordinates: number[] = [];
  for (const [i, profile] of profiles.entries()) {
    const row = new Float64Array(used.length + 1);
    for (const [k, j] of used.entries()) {
      const cosine = profileProduct(profile, profiles[j]!) / (norms[i]! * norms[j]!);
      row[k] = (cosine - dot(row, rows[k]!, k)) / rows[k]![k]!;
    }
    const pivot = 1 - dot(row, row, used.length);
    if (pivot < LEAST_PIVOT) continue;
    row[used.length] = Math.sqrt(pivot);
    const cosine = profileProduct(profile, target) / (norms[i]! * norm);
    coordinates.push((cosine - dot(row, coordinates, used.length)) / row[used.length]!);
    rows.push(row);
    used.push(i);
  }
  const solution = new Float64Array(used.length);
  for (let k = used.length - 1; k >= 0; k--) {
    let rest = coordinates[k]!;
    for (let j = k + 1; j < used.length; j++) rest -= rows[j]![k]! * solution[j]!;
    solution[k] = rest / rows[k]![k]!;
    weights[order[used[k]!]!] = (solution[k]! * norm) / norms[used[k]!]!;
  }
  const explained = coordinates.reduce((sum, coordinate) => sum + coordinate ** 2, 0);
  return { weights, error: Math.sqrt(Math.max(0, 1 - explained)) };
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>, length: number): number {
  let sum = 0;
  for (let i = 0; i < length; i++) sum += a[i]! * b[i]!;
  return sum;
}
