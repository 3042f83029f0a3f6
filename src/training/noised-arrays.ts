import type { Queue } from '../device/queue.js';
import type { SimulationPlace } from './simulation.js';

/** The arrays of noised rows, which every step uses again: of a queue, or of this thread. */
export class NoisedArrays {
  readonly state: Float32Array;
  readonly target?: Float32Array;
  readonly #length: number;
  readonly #queue: Queue | undefined;
  readonly #taken = new Map<string, Float32Array | Uint8Array>();
  #simulation: (SimulationPlace & { readonly clean: Float32Array }) | undefined;

  constructor(length: number, hasTarget: boolean, queue: Queue | undefined) {
    this.#length = length;
    this.#queue = queue;
    this.state = this.#singles();
    if (hasTarget) this.target = this.#singles();
  }

  get simulation(): SimulationPlace & { readonly clean: Float32Array } {
    this.#simulation ??= {
      clean: this.#singles(),
      z: this.#singles(),
      path:
        (this.#queue?.allocate(this.#length, 'double') as Float64Array | undefined) ??
        new Float64Array(this.#length),
    };
    return this.#simulation;
  }

  /** Values of the caller's where kernels read them: for a queue, as they are now. */
  take<T extends Float32Array | Uint8Array>(name: string, values: T): T {
    if (this.#queue === undefined) return values;
    let place = this.#taken.get(name);
    if (place?.byteLength !== values.byteLength) {
      const memory = new SharedArrayBuffer(values.byteLength);
      place = this.#queue.hold(
        values instanceof Uint8Array ? new Uint8Array(memory) : new Float32Array(memory),
      );
      this.#taken.set(name, place);
    }
    this.#queue.write(place, values);
    return place as T;
  }

  #singles(): Float32Array {
    if (this.#queue === undefined) return new Float32Array(this.#length);
    return this.#queue.allocate(this.#length, 'single') as Float32Array;
  }
}
