import { adamw, sumOfSquares } from '../device/adamw.js';
import { affine, copy } from '../device/kernels.js';
import type { Queue } from '../device/queue.js';
import { FastsdeError } from '../errors.js';
import { emaDecay, type Ema } from './ema.js';
import { arraysOf, type Memory, type TrainingState } from './memory.js';
import type { ResolvedSettings } from './options.js';
import { partOf } from './row-range.js';
import { learningRateAt } from './schedule.js';

/** Operands of one call of the native kernel. */
const MAX_OPERANDS = 8;

/** One queue's share of the optimizer: a contiguous slice of the parameters. All of it are commands of the queue. */
export class Optimizer {
  readonly #memory: Memory;
  readonly #settings: ResolvedSettings;
  readonly #averages: readonly Ema[];
  readonly #queue: Queue;
  readonly #begin: number;
  readonly #end: number;
  readonly #square: Float64Array;
  /** What each part's gradient is multiplied with. */
  readonly #shares: readonly number[];

  constructor(
    memory: Memory,
    settings: ResolvedSettings,
    averages: readonly Ema[],
    part: number,
    queue: Queue,
  ) {
    const { length } = memory.parameters;
    const parts = memory.gradients.length;
    this.#memory = memory;
    this.#settings = settings;
    this.#averages = averages;
    this.#queue = queue;
    this.#begin = Math.floor((part * length) / parts);
    this.#end = Math.floor(((part + 1) * length) / parts);
    const { batch, accumulation } = settings;
    this.#shares = memory.gradients.map((_, index) =>
      accumulation === 1 ? partOf({ first: 0, count: batch }, index, parts).count / batch : 1,
    );
    this.#square = memory.squares.subarray(part, part + 1);
  }

  /** Adds up the gradients of all parts in their order, each by its share of the batch, and then the squares of the slice. */
  sum(): void {
    if (this.#begin === this.#end) return;
    const [total, ...others] = this.#memory.gradients.map((each) => this.#slice(each));
    for (let k = 0; k < others.length; k += MAX_OPERANDS - 1) {
      const operands = [total!, ...others.slice(k, k + MAX_OPERANDS - 1)];
      const [first, ...rest] = this.#shares.slice(k, k + operands.length) as [number, ...number[]];
      const coefficients = Float64Array.of(k === 0 ? first : 1, ...rest, 0);
      affine(total!, operands, coefficients, undefined, undefined, this.#queue.number);
    }
    sumOfSquares([total!], this.#square, this.#queue.number);
  }

  /** AdamW and the averages, with the gradient scaled down to the norm `clip` where its own is larger. Ends the queue where that is not finite. */
  update(step: number): void {
    const { squares } = this.#memory;
    this.#queue.requireFinite(
      squares,
      squares.length,
      () => new FastsdeError('ERR_FASTSDE_TRAINING', 'The gradient is not finite.'),
    );
    if (this.#begin === this.#end) return;
    const { beta1, beta2, epsilon, weightDecay, clip, batch } = this.#settings;
    const { parameters, gradients, firstMoments, secondMoments, averages } = this.#memory;
    adamw(
      this.#slice(parameters),
      this.#slice(gradients[0]!),
      this.#slice(firstMoments),
      this.#slice(secondMoments),
      averages.map((values, k) => ({
        values: this.#slice(values),
        decay: emaDecay(this.#averages[k]!, step, batch),
      })),
      {
        ...{ beta1, beta2, epsilon, weightDecay, step },
        learningRate: learningRateAt(this.#settings, step),
        clip: { norm: clip, squares },
      },
      this.#queue.number,
    );
  }

  /** Copies the slice of the state. */
  save(state: TrainingState): void {
    const from = arraysOf(this.#memory);
    for (const [i, to] of arraysOf(state).entries())
      copy(this.#slice(to), this.#slice(from[i]!), this.#queue.number);
  }

  #slice(values: Float32Array): Float32Array {
    return values.subarray(this.#begin, this.#end);
  }
}
