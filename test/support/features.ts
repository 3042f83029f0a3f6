import { Stream } from '../../src/device/binding.js';
import { fillNormal } from '../../src/device/kernels.js';
import { featuresOf, type Features } from '../../src/evaluation/features.js';

/** Numbers in [-1, 1) by a linear congruential sequence, as in scripts/evaluation/fixtures.py. */
export function congruential(length: number, seed: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length }, () => {
    state = Number((BigInt(state) * 1664525n + 1013904223n) % 2n ** 32n);
    return state / 2 ** 31 - 1;
  });
}

/** Standard normal numbers of one sample after another. */
export function normals(count: number, width: number, first = 0): Float32Array {
  const z = new Float32Array(count * width);
  fillNormal(z, count, { seed: 3n, samples: first, step: 0, stream: Stream.user });
  return z;
}

/** Normal samples with standard deviations `scales` around `shift`, none of which is drawn for two values of `first` that far apart. */
export function normalFeatures(
  count: number,
  scales: readonly number[],
  { first = 0, shift = 0 }: { readonly first?: number; readonly shift?: number } = {},
): Features {
  const width = scales.length;
  return featuresOf(
    normals(count, width, first).map((z, k) => z * scales[k % width]! + shift),
    width,
  );
}
