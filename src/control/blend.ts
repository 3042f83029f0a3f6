import type { Device, Elements, Precision } from '../device/device.js';
import type { ScoreCoefficients } from '../score/model.js';
import type { Level } from '../sde/level.js';

/** F = state x + first F_1 + second F_2. */
export interface Weights {
  readonly state: number;
  readonly first: number;
  readonly second: number;
}

/** How the outputs of two parts make one. */
export interface Blend {
  /** Undefined at levels where F is F_1, and the second part does not run. */
  readonly weights: (level: Level) => Weights | undefined;
  /** Whether `state` is 0 at all levels. */
  readonly isOfOutputs: boolean;
  /** Share of the rescaling, from 0 to 1 (Lin et al. 2023, equations 14 to 16). */
  readonly rescale: number;
  /** The combination of scale 1, whose spread estimates of x_0 are rescaled to. */
  readonly reference: (level: Level) => Weights;
  /** How F makes the score. */
  readonly coefficients: (level: Level) => ScoreCoefficients;
}

/** The rows of a batch that are guided, and arrays for the second part. */
export interface Guided {
  readonly levels: readonly Level[];
  /** What the second part reads. */
  readonly inputs: readonly Elements[];
  /** What it writes. */
  readonly others: readonly Elements[];
  /** The labels of these rows. */
  of(labels: Int32Array | undefined): Int32Array | undefined;
  /** Puts the combination in the place of the outputs of the first part. */
  mix(): void;
}

/**
 * The way from the outputs of two parts to one, on arrays of a device: x and F or, with a Jacobian product, x, v and F, (dF/dx)^T v.
 * Rows that are not guided are not touched.
 */
export class Combining {
  readonly #blend: Blend;
  readonly #device: Device;
  readonly #inputs: readonly Elements[];
  readonly #outputs: readonly Elements[];
  readonly #places = new Map<string, Elements>();

  /** @param inputs one for every output: what `state` is multiplied with in it; and what else the parts read. */
  constructor(blend: Blend, device: Device, inputs: readonly Elements[], outputs: readonly Elements[]) {
    this.#blend = blend;
    this.#device = device;
    this.#inputs = inputs;
    this.#outputs = outputs;
  }

  /** After the first part has run: what is left to do, or undefined where nothing is. */
  begin(levels: readonly Level[]): Guided | undefined {
    const device = this.#device;
    const weights = this.#weights(levels);
    const rows = Int32Array.from(weights.keys()).filter((i) => weights[i] !== undefined);
    if (rows.length === 0) return undefined;
    const elements = this.#outputs[0]!.length / levels.length;
    const length = rows.length * elements;
    const own = rows.length === levels.length;
    const place = (use: string, like: Elements) => device.rows(this.#place(use, like), length, 0, 1);
    const guidedOf = (use: string) => (all: Elements, k: number) => {
      if (own) return all;
      const some = place(`${use} ${k}`, all);
      device.gather(some, all, rows);
      return some;
    };
    const inputs = this.#inputs.map(guidedOf('input'));
    const others = this.#outputs.map((output, k) => place(`other ${k}`, output));
    const guided = own ? levels : Array.from(rows, (row) => levels[row]!);
    return {
      levels: guided,
      inputs,
      others,
      of: (labels) => (own ? labels : labels && Int32Array.from(rows, (row) => labels[row]!)),
      mix: () => {
        const outputs = this.#outputs.map(guidedOf('output'));
        const found = Array.from(rows, (row) => weights[row]!);
        outputs.forEach((output, k) => {
          if (this.#blend.rescale > 0)
            this.#mixRescaled(guided, found, inputs[k]!, output, others[k]!, place);
          else mix(device, output, inputs[k]!, output, others[k]!, found);
          if (!own) device.scatter(this.#outputs[k]!, output, rows);
        });
      },
    };
  }

  #weights(levels: readonly Level[]): (Weights | undefined)[] {
    let [last, found]: [Level | undefined, Weights | undefined] = [undefined, undefined];
    return levels.map((level) => {
      // Rows on a grid are at one level.
      if (level !== last) [last, found] = [level, this.#blend.weights(level)];
      return found;
    });
  }

  /**
   * The same of estimates of x_0, D = a x + b F, whose spread over a sample is then brought towards that of scale 1. On D, and not on F,
   * the rescaling does not depend on the parameterization.
   */
  #mixRescaled(
    levels: readonly Level[],
    weights: readonly Weights[],
    x: Elements,
    output: Elements,
    other: Elements,
    place: (use: string, like: Elements) => Elements,
  ): void {
    const { rescale, reference } = this.#blend;
    const estimates = levels.map((level) => {
      const { alpha, sigma } = level;
      // Where no signal is left, v and x_0 are the estimate, up to a factor that no spread sees.
      if (alpha === 0) return { a: 0, b: 1 };
      const score = this.#blend.coefficients(level);
      return { a: (1 + sigma ** 2 * score.state) / alpha, b: (sigma ** 2 * score.output) / alpha };
    });
    const inEstimate = (row: Weights, i: number): Weights => {
      const { a, b } = estimates[i]!;
      return { state: a + b * row.state, first: b * row.first, second: b * row.second };
    };
    const [guided, plain] = [place('guided', output), place('plain', output)];
    mix(this.#device, guided, x, output, other, weights.map(inEstimate));
    mix(
      this.#device,
      plain,
      x,
      output,
      other,
      levels.map((level, i) => inEstimate(reference(level), i)),
    );
    this.#device.matchSpread(guided, plain, new Float64Array(levels.length).fill(rescale));
    const back = Float64Array.from(estimates.flatMap(({ a, b }) => [1 / b, -a / b, 0]));
    this.#device.affine(output, [guided, x], back);
  }

  #place(use: string, like: Elements): Elements {
    let place = this.#places.get(use);
    if (!place) {
      const precision: Precision = like.BYTES_PER_ELEMENT === 8 ? 'double' : 'single';
      this.#places.set(use, (place = this.#device.allocate(like.length, precision)));
    }
    return place;
  }
}

/** out <- state x + first own + second other, row by row. */
function mix(
  device: Device,
  out: Elements,
  x: Elements,
  own: Elements,
  other: Elements,
  weights: readonly Weights[],
): void {
  const withState = weights.some(({ state }) => state !== 0);
  const columns = withState ? 4 : 3;
  // The last column, of noise, stays 0.
  const table = new Float64Array(columns * weights.length);
  weights.forEach(({ state, first, second }, i) => {
    table[columns * i] = first;
    table[columns * i + 1] = second;
    if (withState) table[columns * i + 2] = state;
  });
  device.affine(out, withState ? [own, other, x] : [own, other], table);
}
