import { Stream } from '../device/binding.js';
import { fillNormal, fillUniform } from '../device/kernels.js';
import { checkFits } from '../memory.js';
import { checkInteger } from '../options.js';
import { GaussianMixture } from '../score/mixture/mixture.js';
import type { Dataset } from './dataset.js';

/** A law of points of the plane with mean 0 and a variance of 1 per axis, on average over the two axes. */
export interface Toy {
  /**
   * Points and their classes where the law has such: a point is a function of the seed and its index alone.
   *
   * @param options `seed` (default 0n) and `first`, the index of the first point (default 0).
   */
  sample(count: number, options?: ToyOptions): Dataset & { readonly data: Float32Array };
  /** ln p at points [n, 2], in nats, where it is known in closed form. */
  readonly logDensity?: (points: Float32Array | Float64Array) => Float64Array;
}

/** Which points of the sequence of a seed are drawn. */
export interface ToyOptions {
  /** Of all points. Default 0n. */
  readonly seed?: bigint;
  /** Index of the first point in the sequence of this seed. Default 0. */
  readonly first?: number;
}

/** What a point is made of: three independent uniform numbers of (0, 1) and two independent normal ones. */
type Draw = (
  u: readonly [number, number, number],
  z: readonly [number, number],
) => readonly [x: number, y: number, label?: number];

function toy(draw: Draw, logDensity?: Toy['logDensity']): Toy {
  return {
    sample(count, { seed = 0n, first = 0 } = {}) {
      checkInteger('count', count, 1);
      checkFits('count', count, 64, 'fewer points');
      const noise = { seed, samples: first, step: 0, stream: Stream.data };
      const uniform = new Float64Array(3 * count);
      const normal = new Float64Array(2 * count);
      fillUniform(uniform, count, { ...noise, step: 1 });
      fillNormal(normal, count, noise);
      const data = new Float32Array(2 * count);
      const labels = new Int32Array(count);
      let classes = false;
      for (let i = 0; i < count; i++) {
        const [x, y, label] = draw(
          [uniform[3 * i]!, uniform[3 * i + 1]!, uniform[3 * i + 2]!],
          [normal[2 * i]!, normal[2 * i + 1]!],
        );
        data[2 * i] = x;
        data[2 * i + 1] = y;
        labels[i] = label ?? 0;
        classes ||= label !== undefined;
      }
      return { data, shape: [count, 2], ...(classes && { labels }) };
    },
    ...(logDensity && { logDensity }),
  };
}

/** The roll's coordinates before they are centred and scaled: radius theta, uniform from 1.5 pi to 4.5 pi, plus noise. */
const roll = { from: 1.5 * Math.PI, to: 4.5 * Math.PI, noise: 0.5 };
const rollMean = [2, 2 / (3 * Math.PI)] as const;
const rollScale = Math.sqrt(
  ((roll.to ** 2 + roll.to * roll.from + roll.from ** 2) / 3 - rollMean[0] ** 2 - rollMean[1] ** 2) / 2 +
    roll.noise ** 2,
);

const swissRoll = toy(([u], [a, b]) => {
  const theta = roll.from + (roll.to - roll.from) * u;
  return [
    (theta * Math.cos(theta) + roll.noise * a - rollMean[0]) / rollScale,
    (theta * Math.sin(theta) + roll.noise * b - rollMean[1]) / rollScale,
  ];
});

/** Half circles of radius 1 about (0, 0) and (1, 1/2), plus noise. */
const moonNoise = 0.1;
const moonScale = Math.sqrt(
  (1 / 2 + 1 / 4 + 1 / 2 - 4 / Math.PI ** 2 + (2 / Math.PI - 1 / 4) ** 2) / 2 + moonNoise ** 2,
);

const twoMoons = toy(([u, which], [a, b]) => {
  const label = which < 0.5 ? 0 : 1;
  const sign = label === 0 ? 1 : -1;
  const x = label + sign * Math.cos(Math.PI * u);
  const y = label / 2 + sign * Math.sin(Math.PI * u);
  return [(x + moonNoise * a - 0.5) / moonScale, (y + moonNoise * b - 0.25) / moonScale, label];
});

/** Half the side of the board, so that each coordinate has variance 1. */
const boardEdge = Math.sqrt(3);

/** Column and row of the cell, 0 to 3, from the lower left corner; the cells whose sum is even are filled. */
const checkerboard = toy(
  ([u, v, which]) => {
    const column = Math.floor(4 * u);
    const row = 2 * Math.floor(2 * which) + (column % 2);
    return [boardEdge * (2 * u - 1), boardEdge * ((row + v) / 2 - 1)];
  },
  (points) => {
    const cell = (value: number): number => Math.floor(2 * (value / boardEdge + 1));
    return Float64Array.from({ length: points.length / 2 }, (_, i) => {
      const [column, row] = [cell(points[2 * i]!), cell(points[2 * i + 1]!)];
      const filled = column >= 0 && column < 4 && row >= 0 && row < 4 && (column + row) % 2 === 0;
      return filled ? -Math.log(2 * boardEdge ** 2) : -Infinity;
    });
  },
);

/** Eight Gaussians of deviation r/8 about points of a circle of radius r. */
const ring = Math.sqrt(1 / (1 / 2 + 1 / 64));
const centres = Array.from({ length: 8 }, (_, k) => {
  const angle = (k * Math.PI) / 4;
  return [ring * Math.cos(angle), ring * Math.sin(angle)] as const;
});

/** The law of the toy `eight-gaussians`; its components are the classes. */
export function eightGaussians(): GaussianMixture {
  return new GaussianMixture({
    weights: centres.map(() => 1 / 8),
    means: centres,
    covariances: centres.map(() => (ring / 8) ** 2),
  });
}

const gaussians = toy(
  ([u], [a, b]) => {
    const label = Math.floor(8 * u);
    const [x, y] = centres[label]!;
    return [x + (ring / 8) * a, y + (ring / 8) * b, label];
  },
  (points) => eightGaussians().logDensity(points),
);

/** Name of a two-dimensional law. */
export type ToyName = 'swiss-roll' | 'two-moons' | 'checkerboard' | 'eight-gaussians';

/** Two-dimensional laws on which score models are tried, each of about unit scale. */
export const toys: Readonly<Record<ToyName, Toy>> = {
  'swiss-roll': swissRoll,
  'two-moons': twoMoons,
  checkerboard,
  'eight-gaussians': gaussians,
};

/** Whether a data set of this name is a toy. */
export function isToy(name: string): name is ToyName {
  return Object.hasOwn(toys, name);
}
