import { adamw, globalNorm } from '../device/adamw.js';
import { affine } from '../device/kernels.js';
import { emaDecay } from './ema.js';
import type { Memory } from './memory.js';
import type { ResolvedSettings } from './options.js';
import { learningRateAt } from './schedule.js';

/** Operands of one call of the native kernel. */
const MAX_OPERANDS = 8;

/** One worker's share of the optimizer: a contiguous slice of the parameters. */
export class Optimizer {
  readonly #memory: Memory;
  readonly #settings: ResolvedSettings;
  readonly #begin: number;
  readonly #end: number;

  constructor(memory: Memory, settings: ResolvedSettings, worker: number) {
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
    const { beta1, beta2, epsilon, weightDecay, clip, ema, batch } = this.#settings;
    const { parameters, gradients, firstMoments, secondMoments, averages } = this.#memory;
    adamw(
      this.#slice(parameters),
      this.#slice(gradients[0]!),
      this.#slice(firstMoments),
      this.#slice(secondMoments),
      averages.map((values, k) => ({ values: this.#slice(values), decay: emaDecay(ema[k]!, step, batch) })),
      {
        ...{ beta1, beta2, epsilon, weightDecay, step },
        learningRate: learningRateAt(this.#settings, step),
        gradientScale: norm > clip ? clip / norm : 1,
      },
    );
  }

  #slice(values: Float32Array): Float32Array {
    return values.subarray(this.#begin, this.#end);
  }
}
