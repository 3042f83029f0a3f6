import { FastsdeError, LoadError, ModelError, OptionError } from '../errors.js';
import type { TensorInfo } from '../onnx/model.js';
import type { Session } from '../onnx/runtime.js';
import { classTensor, isShared, statePort, timeTensor, type Port } from './feeds.js';
import type { Roles } from './roles.js';

/** A batch for the network: rows, each with its time label and, where the network takes one, its class. */
export interface Rows {
  /** [rows, ...shape]. */
  readonly x: Float32Array;
  readonly time: Float64Array;
  readonly classes?: Int32Array | undefined;
}

/** A loaded network as a function of state, time label and class: splits, pads and converts as the file wants it. */
export class Network {
  readonly source: string;
  readonly roles: Roles;
  readonly #elements: number;
  readonly #batch: number | undefined;
  readonly #classes: number | undefined;
  readonly #sharedTime: boolean;
  readonly #state: Port;
  readonly #output: Port;
  #session: Session | undefined;
  #last: Promise<void> = Promise.resolve();
  #padding: { x: Float32Array; output: Float32Array } | undefined;

  /** @param batch rows of every run; as many as there are where absent */
  constructor(
    source: string,
    session: Session,
    roles: Roles,
    { shape, classes }: { shape: readonly number[]; classes?: number },
    batch: number | undefined,
  ) {
    this.source = source;
    this.roles = roles;
    this.#session = session;
    this.#elements = shape.reduce((product, size) => product * size, 1);
    this.#batch = batch;
    this.#classes = classes;
    this.#sharedTime = isShared(roles.time, batch);
    this.#state = statePort(roles.state, shape);
    this.#output = statePort(roles.output, shape);
  }

  /**
   * Writes the network's output for the rows into `output`. One run at a time; later calls wait.
   * @throws ModelError after release(), and where ONNX Runtime fails.
   */
  run(rows: Rows, output: Float32Array): Promise<void> {
    const running = this.#last.then(() => this.#run(rows, output));
    this.#last = running.catch(() => undefined);
    return running;
  }

  async release(): Promise<void> {
    await this.#last;
    const session = this.#session;
    this.#session = undefined;
    await session?.release();
  }

  async #run(rows: Rows, output: Float32Array): Promise<void> {
    const count = rows.time.length;
    for (let start = 0; start < count;) {
      let end = Math.min(count, start + (this.#batch ?? count));
      if (this.#sharedTime) {
        const change = rows.time.subarray(start, end).findIndex((label) => label !== rows.time[start]);
        if (change > 0) end = start + change;
      }
      await this.#runOnce(rows, output, start, end);
      start = end;
    }
  }

  async #runOnce(
    { x, time, classes }: Rows,
    output: Float32Array,
    start: number,
    end: number,
  ): Promise<void> {
    if (this.#session === undefined)
      throw new ModelError(`${this.source} is closed and cannot be evaluated.`);
    const { roles } = this;
    const size = this.#batch ?? end - start;
    const own = (end - start) * this.#elements;
    let input = x.subarray(start * this.#elements, end * this.#elements);
    let result = output.subarray(start * this.#elements, end * this.#elements);
    if (size !== end - start) {
      const padding = this.#pad(size);
      padding.x.set(input);
      for (let at = own; at < padding.x.length; at += this.#elements) {
        padding.x.copyWithin(at, own - this.#elements, own);
      }
      ({ x: input, output: result } = padding);
    }
    const source = (_: unknown, i: number) => Math.min(start + i, end - 1);
    const index = Array.from({ length: size }, source);
    const labels = Float64Array.from(index, (i) => time[i]!);
    const feeds = {
      [roles.state.name]: this.#state.open(input, size),
      [roles.time.name]: timeTensor(roles.time, labels, this.#sharedTime),
    };
    if (roles.class) {
      const own = Int32Array.from(index, (i) => classes![i]!);
      feeds[roles.class.name] = classTensor(roles.class, own, this.#classes!);
    }
    try {
      await this.#session.run(feeds, { [roles.output.name]: this.#output.open(result, size) });
    } catch (cause) {
      throw located(this.source, cause);
    }
    this.#output.close(result);
    if (size !== end - start) output.set(result.subarray(0, own), start * this.#elements);
  }

  #pad(rows: number): { x: Float32Array; output: Float32Array } {
    const length = rows * this.#elements;
    this.#padding ??= { x: new Float32Array(length), output: new Float32Array(length) };
    return this.#padding;
  }
}

/** Rows of every run: what the file fixes, or else what the caller asked for. */
export function batchOf({ name, shape }: TensorInfo, batch: number | undefined): number | undefined {
  const fixed = shape?.[0];
  if (typeof fixed !== 'number') return batch;
  if (batch !== undefined && batch !== fixed) {
    throw new OptionError('batch', batch, `${fixed}: the file fixes the batch of its input "${name}"`);
  }
  return fixed;
}

/** The error with the model's name in front, where it is one of ours about the file. */
export function located(source: string, cause: unknown): unknown {
  if (cause instanceof OptionError || cause instanceof LoadError || !(cause instanceof FastsdeError))
    return cause;
  if (cause.message.includes(source)) return cause;
  const { option, value } = cause;
  return new ModelError(`${source}: ${cause.message}`, {
    ...(option !== undefined && { option, value }),
    cause,
  });
}
