import { CholeskyDecomposition, Matrix } from 'ml-matrix';
import { Stream, type NoiseAddress } from '../../src/device/binding.js';
import { fillNormal } from '../../src/device/kernels.js';

/** A place in the noise of a run of seed 0. */
export type Place = Omit<NoiseAddress, 'seed' | 'samples'>;

/** The prior, and the steps of a run with what each draws. */
export function placesOf(steps: number, drawn: readonly Omit<Place, 'step'>[]): Place[] {
  const prior = { stream: Stream.prior, step: 0 };
  return [
    prior,
    ...Array.from({ length: steps + 1 }, (_, step) => drawn.map((place) => ({ ...place, step }))).flat(),
  ];
}

/** Normal law of samples of d numbers. */
export interface NormalLaw {
  readonly mean: readonly number[];
  /** Rows. */
  readonly covariance: readonly (readonly number[])[];
}

/**
 * The law of a method that is affine in its noise, without an error of sampling: the map itself is solved for, from somewhat more samples than
 * it has unknowns. Throws where the samples are no affine map of the noise of these places.
 */
export async function affineLaw(
  d: number,
  places: readonly Place[],
  draw: (count: number) => Promise<Float32Array>,
): Promise<NormalLaw> {
  const unknowns = 1 + d * places.length;
  const count = Math.ceil(1.4 * unknowns) + 10;
  const Z = Matrix.ones(count, unknowns);
  const z = new Float32Array(count * d);
  places.forEach((place, k) => {
    fillNormal(z, count, { seed: 0n, samples: 0, ...place });
    z.forEach((value, i) => Z.set(Math.floor(i / d), 1 + k * d + (i % d), value));
  });
  const samples = await draw(count);
  const X = new Matrix(count, d);
  samples.forEach((value, i) => X.set(Math.floor(i / d), i % d, value));
  const transposed = Z.transpose();
  const map = new CholeskyDecomposition(transposed.mmul(Z)).solve(transposed.mmul(X));
  const rest = Matrix.sub(Z.mmul(map), X).norm('frobenius') / X.norm('frobenius');
  if (!(rest < 1e-4)) throw new Error(`${rest} of the samples is no affine map of the noise`);
  const B = map.subMatrix(1, unknowns - 1, 0, d - 1);
  return { mean: map.getRow(0), covariance: B.transpose().mmul(B).to2DArray() };
}
