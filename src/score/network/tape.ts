import { elementCount } from '../../shape.js';
import type { Feeds, PartialFeeds, Session, Tensor } from '../../onnx/run/runtime.js';
import type { Inlet, Outlet, PaddedRange } from './ranges.js';

/** The transpose of a linearized network, and what goes in and comes out. */
export interface Transpose {
  readonly session: Session;
  /** What it reads beside the cotangent, and which of that the evaluation computes: the rest is fed to it. */
  readonly kept: readonly string[];
  readonly computed: ReadonlySet<string>;
  readonly cotangent: { readonly name: string; readonly inlet: Inlet };
  readonly product: { readonly name: string; readonly outlet: Outlet };
}

/**
 * What an evaluation of a network keeps, and products with its transposed Jacobian there. It is written anew by the next evaluation, and lies in
 * shared memory, which the addon's sessions write and read as it is; onnxruntime-node takes none.
 */
export class Tape {
  readonly #transpose: Transpose;
  /** Memory by the place of rows in a batch. */
  readonly #memory = new Map<string, Feeds>();
  #ranges: PaddedRange[] = [];

  constructor(transpose: Transpose) {
    this.#transpose = transpose;
  }

  /** Before an evaluation. */
  begin(): void {
    this.#ranges = [];
  }

  /** Where the values of a run are written; at first their sizes are not known. */
  places(range: PaddedRange): PartialFeeds {
    const { kept, computed } = this.#transpose;
    const memory = this.#memory.get(keyOf(range));
    return Object.fromEntries(
      kept.filter((name) => computed.has(name)).map((name) => [name, memory?.[name]]),
    );
  }

  /** After a run, of what went in and came out. */
  keep(range: PaddedRange, values: Feeds): void {
    this.#ranges.push(range);
    const key = keyOf(range);
    const memory = this.#memory.get(key) ?? {};
    const isOwn = this.#transpose.session.bind !== undefined;
    const kept = this.#transpose.kept.map(
      (name) => [name, stored(values[name]!, memory[name], isOwn)] as const,
    );
    this.#memory.set(key, Object.fromEntries(kept));
  }

  /** Writes J^T v at the last evaluation into `product`. */
  async product(v: Float32Array, product: Float32Array, signal: AbortSignal | undefined): Promise<void> {
    const { session, cotangent, product: result } = this.#transpose;
    for (const range of this.#ranges) {
      const feeds = { ...this.#memory.get(keyOf(range)), [cotangent.name]: cotangent.inlet.open(v, range) };
      await session.run(feeds, { [result.name]: result.outlet.open(product, range) }, { signal });
      result.outlet.close();
    }
  }
}

function keyOf({ start, size }: PaddedRange): string {
  return `${start} ${size}`;
}

/** The values in memory of the tape: where they lie there already they stay. */
function stored({ data, dims }: Tensor, memory: Tensor | undefined, isShared: boolean): Tensor {
  if (data === memory?.data) return memory;
  const Buffer = isShared ? SharedArrayBuffer : ArrayBuffer;
  const Type = data.constructor as new (buffer: ArrayBufferLike) => Tensor['data'];
  const fits = memory?.data.length === data.length;
  const own = fits ? memory.data : new Type(new Buffer(elementCount(dims) * data.BYTES_PER_ELEMENT));
  (own as Float32Array).set(data as Float32Array);
  return { data: own, dims };
}
