import { addon, type QueueNumber } from '../../src/device/addon.js';
import { adamw, sumOfSquares } from '../../src/device/adamw.js';
import type { Distribution, NoiseAddress, NormMode, State } from '../../src/device/binding.js';
import { diffuse } from '../../src/device/diffuse.js';
import * as kernels from '../../src/device/kernels.js';
import type { Queue } from '../../src/device/queue.js';

type Values = State | Uint16Array | Uint8Array;

/** What a case runs on; `queue` is undefined for the kernels of the CPU. */
type Verb = (arrays: readonly Values[], queue: QueueNumber | undefined) => void;

interface Case {
  readonly arrays: readonly Values[];
  /** Whether arrays begin at multiples of 16 bytes in any case. */
  readonly isAligned?: boolean;
  readonly run: Verb;
}

const float = (array: Values | undefined): Float32Array => array as Float32Array;
const double = (array: Values | undefined): Float64Array => array as Float64Array;
const state = (array: Values | undefined): State => array as State;

/** Numbers, shapes and addresses, all functions of a seed. */
export class Draws {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** Uniform in [0, 1) (mulberry32). */
  uniform(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  below(limit: number): number {
    return Math.floor(this.uniform() * limit);
  }

  one<T>(...choices: readonly T[]): T {
    return choices[this.below(choices.length)]!;
  }

  number(): number {
    return 4 * this.uniform() - 2;
  }

  /** Mostly ordinary numbers; sometimes both zeros, the ends of the range, and what is no number. */
  fill<T extends Values>(array: T, odd = true): T {
    const strange = odd && this.below(8) === 0;
    for (let i = 0; i < array.length; i++) {
      array[i] =
        strange && this.below(20) === 0
          ? this.one(0, -0, Infinity, -Infinity, NaN, 1e-40, 3e38)
          : array instanceof Uint8Array || array instanceof Uint16Array
            ? this.below(65536)
            : this.number();
    }
    return array;
  }

  singles(length: number, odd?: boolean): Float32Array {
    return this.fill(new Float32Array(length), odd);
  }

  doubles(length: number, odd?: boolean): Float64Array {
    return this.fill(new Float64Array(length), odd);
  }

  states(length: number, isDouble: boolean, odd?: boolean): State {
    return isDouble ? this.doubles(length, odd) : this.singles(length, odd);
  }

  /** Points, small samples, images in quads and not, and now and then samples of several blocks of a sum. */
  shape(): { count: number; size: number } {
    const kind = this.below(40);
    if (kind === 0)
      return { count: 1 + this.below(2), size: 8192 + this.below(2) * 4096 + 4 * this.below(2000) };
    if (kind < 6) return { count: 1 + this.below(40), size: 1 + this.below(4) };
    if (kind < 14) return { count: 1 + this.below(6), size: 1 + this.below(130) };
    if (kind < 20) return { count: 1 + this.below(3), size: 1 + this.below(700) };
    return { count: 1 + this.below(3), size: 4 * (17 + this.below(160)) };
  }

  /** One row for all samples, or a row for each. */
  rows(count: number, width: number): Float64Array {
    const row = Array.from({ length: width }, () => this.number());
    const same = this.below(2) === 0;
    return Float64Array.from({ length: count * width }, (_, i) => (same ? row[i % width]! : this.number()));
  }

  noise(count: number): NoiseAddress {
    const far = this.one(0, 5, 2 ** 26 - 1, 2 ** 32 + 7);
    return {
      seed: BigInt(this.below(2 ** 32)),
      salt: this.below(3),
      step: this.below(100),
      stream: this.below(10),
      substep: this.below(4),
      samples:
        this.below(2) === 0
          ? far + this.below(10)
          : Float64Array.from({ length: count }, () => far + this.below(1000)),
    };
  }

  /** Few elements, of which some hundreds of threads make one sum. */
  smallShape(): { count: number; size: number } {
    return { count: 1 + this.below(2), size: 1 + this.below(this.one(4, 100, 100, 600)) };
  }

  places(count: number, of: number): Int32Array {
    return Int32Array.from({ length: count }, () => this.below(of));
  }
}

/** Makes cases of a verb, of which there is a number. */
export const cases: Readonly<Record<string, (draw: Draws, number: number) => Case>> = {
  quads(draw, number) {
    const [count, size, operands] = [1 + draw.below(3), 4 * (17 + draw.below(50)), 1 + (number % 8)];
    const noise = draw.below(3) > 0 ? draw.noise(count) : undefined;
    const c = draw.rows(count, operands + 1);
    const x = Array.from({ length: operands }, () => draw.singles(count * size));
    const mean = draw.below(3) === 0 ? [draw.singles(count * size)] : [];
    return {
      isAligned: true,
      arrays: [...x, ...mean],
      run(arrays, queue) {
        kernels.affine(
          state(arrays[0]),
          arrays.slice(0, operands).map(state),
          c,
          noise,
          arrays[operands] as State,
          queue,
        );
      },
    };
  },
  affine(draw) {
    const { count, size } = draw.shape();
    const operands = 1 + draw.below(8);
    const isDouble = draw.below(5) === 0;
    const withMean = draw.below(3) === 0;
    const noise = draw.below(3) > 0 ? draw.noise(count) : undefined;
    const c = draw.rows(count, operands + 1);
    const isInPlace = draw.below(3) === 0;
    const out = draw.states(count * size, isDouble);
    const mean = withMean ? draw.states(count * size, isDouble) : [];
    const others = Array.from({ length: operands }, () =>
      draw.states(count * size, isDouble && draw.below(2) === 0),
    );
    return {
      arrays: [out, ...(withMean ? [mean as State] : []), ...others],
      run(arrays, queue) {
        const x = arrays.slice(withMean ? 2 : 1).map(state);
        if (isInPlace) x[0] = state(arrays[0]);
        kernels.affine(state(arrays[0]), x, c, noise, withMean ? state(arrays[1]) : undefined, queue);
      },
    };
  },
  langevin(draw) {
    const { count, size } = draw.shape();
    const isDouble = draw.below(2) === 0;
    const norm = draw.one<NormMode>('batch', 'sample', 'sqrt-d');
    const noise = draw.noise(count);
    const c = draw.rows(count, 3);
    for (let b = 0; b < count; b++) c[3 * b + 2] = Math.abs(c[3 * b + 2]!);
    if (draw.below(3) === 0) for (let b = 0; b < count; b++) c[3 * b] = 0;
    const x = draw.states(count * size, isDouble);
    const f = draw.states(count * size, isDouble && draw.below(2) === 0);
    return {
      arrays: [x, f, new Float64Array(count), draw.states(count * size, isDouble)],
      run(arrays, queue) {
        const results = { steps: double(arrays[2]), mean: state(arrays[3]) };
        kernels.langevinStep(state(arrays[0]), state(arrays[1]), c, norm, noise, results, queue);
      },
    };
  },
  dots(draw) {
    const { count, size } = draw.shape();
    const [a, b] = [0, 1].map(() => draw.states(count * size, draw.below(2) === 0));
    return {
      arrays: [a!, b!, new Float64Array(count)],
      run(arrays, queue) {
        kernels.dots(state(arrays[0]), state(arrays[1]), double(arrays[2]), queue);
      },
    };
  },
  fill(draw) {
    const { count, size } = draw.shape();
    const kind = draw.one<Distribution>('normal', 'uniform', 'rademacher');
    const noise = draw.noise(count);
    return {
      arrays: [draw.states(count * size, draw.below(4) === 0)],
      run(arrays, queue) {
        kernels.fill(state(arrays[0]), count, kind, noise, queue);
      },
    };
  },
  addNoise(draw) {
    const { count, size } = draw.shape();
    const rows = draw.rows(count, 2);
    const noise = draw.noise(count);
    return {
      arrays: [draw.states(count * size, draw.below(2) === 0), draw.singles(count * size)],
      run([x, v], queue) {
        kernels.addNoise(state(x), float(v), rows, noise, queue);
      },
    };
  },
  clip(draw) {
    const low = draw.one(-Infinity, -1, -0.1);
    const high = draw.one(Infinity, 0.7);
    return {
      arrays: [draw.states(1 + draw.below(2000), draw.below(2) === 0)],
      run(arrays, queue) {
        kernels.clip(state(arrays[0]), low, high, queue);
      },
    };
  },
  threshold(draw) {
    const { count, size } = draw.smallShape();
    const quantile = draw.one(0, 1, 0.5, 0.995, draw.uniform());
    const x = draw.states(count * size, draw.below(2) === 0);
    // Many equal values: their places in the order do not matter.
    if (draw.below(3) === 0) x.forEach((value, i) => (x[i] = Math.round(value)));
    return {
      arrays: [x],
      run(arrays, queue) {
        kernels.threshold(state(arrays[0]), count, [-1, 0.75], quantile, queue);
      },
    };
  },
  rows(draw) {
    const { count, size } = draw.shape();
    const isDouble = draw.below(2) === 0;
    const all = count + draw.below(5);
    const isGather = draw.below(2) === 0;
    // A row is written once.
    const order = Array.from({ length: all }, (_, i) => i);
    for (let i = all - 1; i > 0; i--) {
      const j = draw.below(i + 1);
      [order[i], order[j]] = [order[j]!, order[i]!];
    }
    const places = isGather ? draw.places(count, all) : Int32Array.from(order.slice(0, count));
    return {
      arrays: [draw.states(count * size, isDouble), draw.states(all * size, isDouble)],
      run(arrays, queue) {
        if (isGather) kernels.gather(state(arrays[0]), state(arrays[1]), places, queue);
        else kernels.scatter(state(arrays[1]), state(arrays[0]), places, queue);
      },
    };
  },
  copy(draw) {
    const length = 1 + draw.below(2000);
    const make = [
      () => draw.singles(length),
      () => draw.doubles(length),
      () => draw.fill(new Uint16Array(length)),
    ];
    const [out, x] = draw.one<readonly [number, number]>([0, 1], [1, 0], [0, 2], [2, 0], [0, 0], [1, 1]);
    const from = make[x]!();
    // Halves that are small or large.
    const scale = draw.one(1, 1e-5, 1e-7, 3e4);
    if (from instanceof Float32Array) from.forEach((value, i) => (from[i] = value * scale));
    return {
      arrays: [make[out]!(), from],
      run(arrays, queue) {
        kernels.copy(arrays[0] as State, arrays[1] as State, queue);
      },
    };
  },
  scale(draw) {
    const { count, size } = draw.shape();
    const factors = draw.rows(count, 1);
    return {
      arrays: [draw.singles(count * size)],
      run(arrays, queue) {
        kernels.scale(float(arrays[0]), factors, queue);
      },
    };
  },
  traceRates(draw) {
    const count = 1 + draw.below(50);
    const size = 1 + draw.below(3);
    const rows = draw.rows(count, 3);
    return {
      arrays: [draw.doubles(count * size)],
      run(arrays, queue) {
        kernels.traceRates(double(arrays[0]), size, rows, queue);
      },
    };
  },
  scaledErrors(draw) {
    const { count, size } = draw.smallShape();
    const measure = {
      scale: draw.one<'sum' | 'larger'>('sum', 'larger'),
      norm: draw.one<'l2' | 'max'>('l2', 'max'),
    };
    const [atol, rtol] = [draw.one(0, 1e-3), draw.one(0, 1e-2)];
    const three = [0, 1, 2].map(() => draw.doubles(count * size));
    return {
      arrays: [...three, new Float64Array(count)],
      run([error, before, after, out], queue) {
        const [e, from, to] = [double(error), double(before), double(after)];
        kernels.scaledErrors(e, from, to, atol, rtol, double(out), measure, queue);
      },
    };
  },
  matchSpread(draw) {
    const { count, size } = draw.smallShape();
    const isDouble = draw.below(2) === 0;
    const shares = draw.rows(count, 1);
    const x = draw.states(count * size, isDouble);
    if (draw.below(10) === 0) x.fill(0.5);
    return {
      arrays: [x, draw.states(count * size, isDouble)],
      run(arrays, queue) {
        kernels.matchSpread(state(arrays[0]), state(arrays[1]), shares, queue);
      },
    };
  },
  project(draw) {
    const { count, size } = draw.shape();
    const channels = draw.below(2) === 0 ? 0 : 1 + draw.below(4);
    const length = channels === 0 ? size : channels * Math.ceil(size / channels);
    const coefficients = draw.rows(count, 2);
    const noise = draw.noise(count);
    const mask = Float32Array.from({ length }, () => (draw.below(draw.one(2, 400)) === 0 ? 1 : 0));
    return {
      arrays: [
        ...[draw.singles(count * length), draw.singles(count * length), mask],
        ...(channels === 0 ? [] : [draw.singles(channels ** 2, false)]),
      ],
      run([x, y, m, basis], queue) {
        const own = basis && float(basis);
        kernels.projectMeasurement(float(x), float(y), float(m), coefficients, noise, own, queue);
      },
    };
  },
  diffuse(draw) {
    const { count, size } = draw.shape();
    const width = draw.below(2) === 0 ? size : size % 4 === 0 ? 4 : 1;
    const flips =
      draw.below(2) === 0 ? draw.fill(new Uint8Array(count)).map((value) => value % 2) : undefined;
    const coefficients = draw.rows(count, 4);
    const noise = draw.noise(count);
    const hasTarget = draw.below(2) === 0;
    const x0 = draw.below(2) === 0 ? draw.singles(count * size) : draw.fill(new Uint8Array(count * size));
    const [x, target] = [draw.singles(count * size), draw.singles(count * size)];
    return {
      arrays: [x, target, x0, ...(flips ? [flips] : [])],
      run(arrays, queue) {
        const flipped = flips && { flips: arrays[3] as Uint8Array, width };
        const clean = arrays[2] as Float32Array | Uint8Array;
        const wanted = hasTarget ? float(arrays[1]) : undefined;
        diffuse(float(arrays[0]), wanted, clean, coefficients, noise, { range: [-1, 1], ...flipped }, queue);
      },
    };
  },
  adamw(draw) {
    const length = 1 + draw.below(900);
    const averages = draw.one(0, 1, 2, 3, 9);
    const second = draw.singles(length).map(Math.abs);
    const decays = Array.from({ length: averages }, () => draw.uniform());
    const options = { learningRate: draw.uniform(), step: 1 + draw.below(50), weightDecay: draw.uniform() };
    const averaged = Array.from({ length: averages }, () => draw.singles(length));
    return {
      arrays: [draw.singles(length), draw.singles(length), draw.singles(length), second, ...averaged],
      run([p, g, m, v, ...means], queue) {
        const list = means.map((values, i) => ({ values: float(values), decay: decays[i]! }));
        adamw(float(p), float(g), float(m), float(v), list, options, queue);
      },
    };
  },
  sumOfSquares(draw) {
    const tensors = Array.from({ length: 1 + draw.below(4) }, () =>
      draw.singles(1 + draw.below(draw.one(100, 20000))),
    );
    return {
      arrays: [new Float64Array(1), ...tensors],
      run([out, ...all], queue) {
        sumOfSquares(all.map(float), double(out), queue);
      },
    };
  },
};

/** An array on the queue for each of a case, within a larger one whose rest has to stay as it is. */
class Arena {
  static readonly #margin = 16;
  static readonly #length = 1 << 17;
  readonly #queue: Queue;
  readonly #arrays = new Map<string, Values>();

  constructor(queue: Queue) {
    this.#queue = queue;
  }

  place(i: number, values: Values, offset: number): { here: Values; there: Values; part: Values } {
    const kind =
      values instanceof Float64Array
        ? 'double'
        : values instanceof Uint16Array
          ? 'half'
          : values instanceof Uint8Array
            ? 'byte'
            : 'single';
    const key = `${i} ${kind}`;
    let all = this.#arrays.get(key);
    if (!all) {
      all = this.#queue.allocate(Arena.#length, kind) as unknown as Values;
      this.#arrays.set(key, all);
    }
    const margin = Arena.#margin;
    const there = all.subarray(0, offset + values.length + margin);
    const here = new (values.constructor as new (length: number) => Values)(there.length);
    here.fill(5);
    here.set(values, offset);
    this.#queue.write(there, here);
    return { here, there, part: there.subarray(offset, offset + values.length) };
  }
}

/** The bits of what are numbers; all that are not count as one. */
function bits(values: Values): BigInt64Array | Int32Array | Values {
  if (values instanceof Float64Array)
    return new BigInt64Array(values.map((value) => (Number.isNaN(value) ? NaN : value)).buffer);
  if (values instanceof Float32Array)
    return new Int32Array(values.map((value) => (Number.isNaN(value) ? NaN : value)).buffer);
  return values;
}

function differences(a: Values, b: Values): number {
  const [own, other] = [bits(a), bits(b)];
  let count = 0;
  for (let i = 0; i < own.length; i++) if (own[i] !== other[i]) count++;
  return count;
}

/** Runs cases of a verb on the CPU and on the queue; what differs, in words. */
export async function compare(queue: Queue, verb: string, count: number): Promise<string[]> {
  const arena = new Arena(queue);
  const found: string[] = [];
  for (let number = 0; number < count; number++) {
    const draw = new Draws(number * 7919 + verb.length);
    const { arrays, run, isAligned } = cases[verb]!(draw, number);
    const offsets =
      isAligned || draw.below(2) === 0 ? arrays.map(() => 16) : arrays.map(() => draw.one(16, 4, 1, 3, 7));
    const places = arrays.map((values, i) => arena.place(i, values, offsets[i]!));
    run(
      places.map(({ here }, i) => here.subarray(offsets[i], offsets[i]! + arrays[i]!.length)),
      undefined,
    );
    run(
      places.map(({ part }) => part),
      queue.number,
    );
    for (const { there } of places) addon().download(queue.number, there);
    await queue.settled();
    for (const [i, { here, there }] of places.entries()) {
      const wrong = differences(here, there);
      if (wrong > 0) found.push(`${verb} ${number}: ${wrong} of ${arrays[i]!.length} elements of array ${i}`);
    }
  }
  return found;
}
