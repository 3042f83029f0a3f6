import { adamw, globalNorm, type AdamWOptions } from '../device/adamw.js';
import { affine } from '../device/kernels.js';
import { emaDecay, type Ema } from './ema.js';
import type { Memory } from './memory.js';
import { learningRateAt, type Schedule } from './schedule.js';

/** Operands of one call of the native kernel. */
const MAX_OPERANDS = 8;

/** The constants of AdamW. */
export type AdamWConstants = Required<Pick<AdamWOptions, 'beta1' | 'beta2' | 'epsilon' | 'weightDecay'>>;

/** How a step changes the state. */
export interface OptimizerSettings {
  readonly schedule: Schedule;
  readonly adamw: AdamWConstants;
  readonly clip: number;
  readonly ema: readonly Ema[];
  /** Images of a step. */
  readonly batch: number;
}

/** One worker's share of the optimizer: a contiguous slice of the parameters. */
export class Optimizer {
  readonly #memory: Memory;
  readonly #settings: OptimizerSettings;
  readonly #begin: number;
  readonly #end: number;

  constructor(memory: Memory, settings: OptimizerSettings, worker: number) {
    const { length } = memory.parameters;
    const workers = memory.gradients.length;
    this.#memory = memory;
    this.#settings = settings;
    this.#begin = Math.floor((worker * length) / workers);
    this.#end = Math.floor(((worker + 1) * length) / workers);
  }

  /** Adds up the gradients of all workers in their order; returns the sum of squares of the slice. */
  sum(): number {
    if (this.#begin === this.#end) return 0;
    const [total, ...others] = this.#memory.gradients.map((each) => this.#slice(each));
    for (let k = 0; k < others.length; k += MAX_OPERANDS - 1) {
      const operands = [total!, ...others.slice(k, k + MAX_OPERANDS - 1)];
      affine(total!, operands, Float64Array.from([...operands.map(() => 1), 0]));
    }
    return globalNorm([total!]) ** 2;
  }

  /** AdamW and the averages, with the gradient scaled down to the norm `clip` where its own, `norm`, is larger. */
  update(step: number, norm: number): void {
    if (this.#begin === this.#end) return;
    const { schedule, adamw: constants, clip, ema, batch } = this.#settings;
    const { parameters, gradients, firstMoments, secondMoments, averages } = this.#memory;
    adamw(
      this.#slice(parameters),
      this.#slice(gradients[0]!),
      this.#slice(firstMoments),
      this.#slice(secondMoments),
      averages.map((values, k) => ({ values: this.#slice(values), decay: emaDecay(ema[k]!, step, batch) })),
      {
        ...constants,
        step,
        learningRate: learningRateAt(schedule, step),
        gradientScale: norm > clip ? clip / norm : 1,
      },
    );
  }

  #slice(values: Float32Array): Float32Array {
    return values.subarray(this.#begin, this.#end);
  }
}
