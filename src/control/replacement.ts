import type { Constraint } from '../solvers/batch.js';
import { fillNormal } from '../device/kernels.js';
import { elementCount } from '../shape.js';
import type { Known } from './measurement.js';
import type { replacementLevels } from './names.js';
import type { OrthonormalRows } from './operator.js';

/** The level that a move led to, or that it came from. */
export type ReplacementLevel = (typeof replacementLevels)[number];

/**
 * Replacement of what is known (Song et al. 2021, appendix I.2 to I.4): along each right singular vector of A, whose coordinate was
 * measured with noise of deviation r = noise / s, the state becomes
 *
 *     alpha y / s + sqrt(sigma^2 - alpha^2 r^2) z,
 *
 * whose law given x_0 is that of the diffused data, while sigma >= alpha r. At that level the measurement has done all it can; below it
 * predictors alone move the coordinate, for a corrector, which knows nothing of y, would forget it: the others are corrected given it.
 *
 * @param known measurements of the samples of a batch, in order.
 */
export function replacement(known: Known, replaceAt: ReplacementLevel): Constraint {
  const { operator, noise } = known;
  const replace =
    operator.rows && noise === 0 ? replaceRows(known, operator.rows) : replaceCoordinates(known);
  return {
    name: 'replacement',
    options: { operator: operator.name, ...operator.options, noise, replaceAt },
    apply(batch, level, address) {
      const isDeparted = replaceAt === 'departed' && level.sigma > 0;
      return replace(batch, isDeparted ? batch.level : level, address);
    },
  };
}

type Replace = Constraint['apply'];

/** Where rows are orthonormal over the channels and there is no noise, by the kernel made for that. */
function replaceRows({ operator, of }: Known, { mask, basis, place }: OrthonormalRows): Replace {
  const d = elementCount(operator.shape);
  let y: Float32Array | undefined;
  return (batch, level, address) => {
    if (!y) {
      y = new Float32Array(batch.size * d);
      for (let b = 0; b < batch.size; b++) y.set(place(of(b)), b * d);
    }
    batch.project(y, mask, level, address, basis);
  };
}

/** In the coordinates of the singular value decomposition. */
function replaceCoordinates({ operator, noise, of }: Known): Replace {
  const spectrum = operator.spectrum();
  const d = elementCount(operator.shape);
  const deviations = spectrum.values.map((value) => noise / value);
  /** The coordinates of every sample before the next move. */
  const before: Float64Array[] = [];
  return async (batch, level, address) => {
    const { alpha, sigma } = level;
    const isCorrected = batch.level.sigma === sigma;
    const x = Float64Array.from(await batch.read());
    const z = new Float64Array(x.length);
    fillNormal(z, batch.size, address);
    for (let b = 0; b < batch.size; b++) {
      const state = x.subarray(b * d, (b + 1) * d);
      const fresh = spectrum.coordinates(z.subarray(b * d, (b + 1) * d));
      const y = spectrum.measured(of(b));
      const moved = spectrum.coordinates(state);
      const kept = moved.map((u, i) => {
        const variance = sigma ** 2 - (alpha * deviations[i]!) ** 2;
        if (variance >= 0) return (alpha * y[i]!) / spectrum.values[i]! + Math.sqrt(variance) * fresh[i]!;
        return isCorrected ? (before[b]?.[i] ?? u) : u;
      });
      spectrum.sample(kept.map((u, i) => u - moved[i]!)).forEach((change, e) => (state[e]! += change));
      before[b] = kept;
    }
    batch.write(x);
  };
}
