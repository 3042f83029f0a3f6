import { FastsdeError, LoadError, ModelError, OptionError } from '../../errors.js';
import type { TensorInfo } from '../../onnx/file/model.js';
import type { Session, Tensor } from '../../onnx/run/runtime.js';
import type { Device, DeviceName } from '../../device/device.js';
import { BoundNetwork, Room, type NetworkArrays, type RowLabels } from './bound-network.js';
import { classTensor, isShared, statePort, timeTensor, type Port } from './feeds.js';
import { inputTensor, type InputValue } from './input-values.js';
import type { Roles } from './roles.js';
import { elementCount } from '../../shape.js';

/** A batch for the network: rows, each with its time label and, where the network takes one, its class. */
export interface Rows extends RowLabels {
  /** [rows, ...shape]. */
  readonly x: Float32Array;
  /** The last estimates of x_0, [rows, ...shape], where the network takes them; zero where absent. */
  readonly estimate?: Float32Array | undefined;
  /** What the transposed Jacobian of a differentiated network is multiplied with, [rows, ...shape]. */
  readonly cotangent?: Float32Array | undefined;
  /** Of the inputs beside state, time and class. */
  readonly inputs?: readonly InputValue[] | undefined;
  /** Ends the run at its next operator. */
  readonly signal?: AbortSignal | undefined;
}

/** What a run gives beside the output, [rows, ...shape] each. */
interface Results {
  readonly product?: Float32Array | undefined;
  readonly variance?: Float32Array | undefined;
}

/** Name of the input that a differentiated network has beside its own. */
export const COTANGENT = 'cotangent';

/** A loaded network as a function of state, time label, class and constant inputs: splits, pads and converts as the file wants it. */
export class Network {
  readonly source: string;
  readonly roles: Roles;
  readonly #shape: readonly number[];
  readonly #elements: number;
  readonly #batch: number | undefined;
  readonly #classes: number | undefined;
  readonly #sharedTime: boolean;
  readonly #state: Inlet;
  readonly #cotangent: Inlet;
  readonly #estimate: Inlet | undefined;
  readonly #output: Outlet;
  readonly #product: Outlet;
  readonly #parts: 1 | 2;
  readonly #rooms = new WeakMap<Device, Room>();
  #session: Session | undefined;
  #last: Promise<void> = Promise.resolve();

  /** @param batch rows of every run; as many as there are where absent */
  constructor(
    source: string,
    session: Session,
    roles: Roles,
    {
      shape,
      classes,
      learnedVariance,
    }: { shape: readonly number[]; classes?: number; learnedVariance?: boolean | undefined },
    batch: number | undefined,
  ) {
    this.source = source;
    this.roles = roles;
    this.#session = session;
    this.#shape = shape;
    this.#elements = elementCount(shape);
    this.#batch = batch;
    this.#classes = classes;
    this.#sharedTime = isShared(roles.time, batch);
    this.#state = new Inlet(statePort(roles.state, shape), this.#elements);
    this.#parts = learnedVariance ? 2 : 1;
    const outputShape = [this.#parts * (shape[0] ?? 1), ...shape.slice(1)];
    const { selfCondition } = roles;
    this.#estimate = selfCondition && new Inlet(statePort(selfCondition, shape), this.#elements);
    this.#cotangent = new Inlet(statePort(roles.output, outputShape), this.#elements, this.#parts);
    this.#output = new Outlet(statePort(roles.output, outputShape), this.#elements, this.#parts);
    this.#product = new Outlet(statePort(roles.state, shape), this.#elements);
  }

  /**
   * Writes the network's output for the rows into `output`, a variance beside it into `variance`, and into `product` what a
   * differentiated network makes of the cotangent. One run at a time; later calls wait.
   * @throws ModelError after release(), and where ONNX Runtime fails.
   */
  run(rows: Rows, output: Float32Array, { product, variance }: Results = {}): Promise<void> {
    const running = this.#last.then(() => this.#run(rows, output, { product, variance }));
    this.#last = running.catch(() => undefined);
    return running;
  }

  /** Where the network runs. */
  get device(): DeviceName {
    return this.#session?.device ?? 'cpu';
  }

  /** Whether the network can be bound to arrays of a device. */
  get binds(): boolean {
    return this.#session?.bind !== undefined;
  }

  /**
   * Binds the network to arrays of a device: what it returns enqueues it on all rows. Those on one device are made one after the
   * other, on several at once.
   * @throws ModelError after release().
   */
  bind(device: Device, arrays: NetworkArrays): (labels: RowLabels) => void {
    let room = this.#rooms.get(device);
    if (!room) this.#rooms.set(device, (room = new Room(device)));
    const form = {
      session: this.#open(),
      roles: this.roles,
      shape: this.#shape,
      elements: this.#elements,
      parts: this.#parts,
      classes: this.#classes,
      batch: this.#batch,
      cotangent: COTANGENT,
      product: this.#productName,
      explain: (cause: Error) => nameSource(this.source, cause) as Error,
    };
    const bound = new BoundNetwork(form, device, room, arrays);
    return (labels) => {
      this.#open();
      bound.enqueue(labels);
    };
  }

  #open(): Session {
    if (this.#session) return this.#session;
    throw new ModelError(`${this.source} is closed and cannot be evaluated.`);
  }

  get #productName(): string {
    return `vjp.${this.roles.state.name}`;
  }

  async release(): Promise<void> {
    await this.#last;
    const session = this.#session;
    this.#session = undefined;
    await session?.release();
  }

  async #run(rows: Rows, output: Float32Array, results: Results): Promise<void> {
    const count = rows.time.length;
    for (let start = 0; start < count;) {
      let end = Math.min(count, start + (this.#batch ?? count));
      if (this.#sharedTime) {
        const change = rows.time.subarray(start, end).findIndex((label) => label !== rows.time[start]);
        if (change > 0) end = start + change;
      }
      await this.#runOnce(rows, output, results, start, end);
      start = end;
    }
  }

  /** Runs the network once, on rows start to end; the last one is repeated where the file wants more. */
  async #runOnce(
    rows: Rows,
    output: Float32Array,
    { product, variance }: Results,
    start: number,
    end: number,
  ): Promise<void> {
    const session = this.#open();
    const { roles } = this;
    const size = this.#batch ?? end - start;
    const range = { start, end, size };
    const feeds = {
      [roles.state.name]: this.#state.open(rows.x, range, rows.scale),
      [roles.time.name]: timeTensor(
        roles.time,
        Float64Array.from({ length: size }, (_, i) => rows.time[Math.min(start + i, end - 1)]!),
        this.#sharedTime,
      ),
    };
    if (roles.class) {
      const classes = Int32Array.from(
        { length: size },
        (_, i) => rows.classes![Math.min(start + i, end - 1)]!,
      );
      feeds[roles.class.name] = classTensor(roles.class, classes, this.#classes!);
    }
    if (this.#estimate) {
      const zero = () => new Float32Array(rows.x.length);
      feeds[roles.selfCondition!.name] = this.#estimate.open(rows.estimate ?? zero(), range);
    }
    if (rows.inputs?.length) {
      const samples = Int32Array.from(
        { length: size },
        (_, i) => rows.samples?.[Math.min(start + i, end - 1)] ?? 0,
      );
      for (const input of rows.inputs) feeds[input.name] = inputTensor(input, size, samples);
    }
    const fetches = { [roles.output.name]: this.#output.open(output, range, variance) };
    if (rows.cotangent) feeds[COTANGENT] = this.#cotangent.open(rows.cotangent, range);
    if (product) fetches[this.#productName] = this.#product.open(product, range);
    try {
      await session.run(feeds, fetches, { signal: rows.signal });
    } catch (cause) {
      throw nameSource(this.source, cause);
    }
    this.#output.close();
    if (product) this.#product.close();
  }
}

/** Rows start to end of an array, and the last one again up to `size`. */
interface Range {
  readonly start: number;
  readonly end: number;
  readonly size: number;
}

/**
 * Rows on their way into a network: the array itself where nothing has to be scaled or repeated. Of rows of two parts they are the first,
 * and the second is 0.
 */
class Inlet {
  readonly #port: Port;
  readonly #elements: number;
  readonly #parts: number;
  #buffer = new Float32Array(0);

  constructor(port: Port, elements: number, parts = 1) {
    this.#port = port;
    this.#elements = elements;
    this.#parts = parts;
  }

  open(values: Float32Array, { start, end, size }: Range, scale?: Float64Array): Tensor {
    const [elements, parts] = [this.#elements, this.#parts];
    if (size === end - start && scale === undefined && parts === 1)
      return this.#port.open(values.subarray(start * elements, end * elements), size);
    const buffer = (this.#buffer = resized(this.#buffer, size * elements * parts));
    for (let row = 0; row < size; row++) {
      const from = Math.min(start + row, end - 1);
      const factor = scale?.[from] ?? 1;
      for (let i = 0; i < elements; i++)
        buffer[row * elements * parts + i] = factor * values[from * elements + i]!;
    }
    return this.#port.open(buffer, size);
  }
}

/** Rows on their way out of a network: into the array itself where none was repeated. Rows of two parts are taken apart. */
class Outlet {
  readonly #port: Port;
  readonly #elements: number;
  readonly #parts: number;
  #padded = new Float32Array(0);
  #result: Float32Array = this.#padded;
  /** Where the parts belong. */
  #own: readonly (Float32Array | undefined)[] = [];

  constructor(port: Port, elements: number, parts = 1) {
    this.#port = port;
    this.#elements = elements;
    this.#parts = parts;
  }

  open(values: Float32Array, { start, end, size }: Range, second?: Float32Array): Tensor {
    this.#own = [values, second].map((part) => part?.subarray(start * this.#elements, end * this.#elements));
    const isWhole = size === end - start && this.#parts === 1;
    if (!isWhole) this.#padded = resized(this.#padded, size * this.#elements * this.#parts);
    this.#result = isWhole ? this.#own[0]! : this.#padded;
    return this.#port.open(this.#result, size);
  }

  /** After the run. */
  close(): void {
    this.#port.close(this.#result);
    if (this.#result === this.#own[0]) return;
    const [width, stride] = [this.#elements, this.#elements * this.#parts];
    this.#own.slice(0, this.#parts).forEach((own, part) => {
      for (let row = 0; own && row * width < own.length; row++) {
        const at = row * stride + part * width;
        own.set(this.#result.subarray(at, at + width), row * width);
      }
    });
  }
}

function resized(buffer: Float32Array<ArrayBuffer>, length: number): Float32Array<ArrayBuffer> {
  return buffer.length === length ? buffer : new Float32Array(length);
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
export function nameSource(source: string, cause: unknown): unknown {
  if (cause instanceof OptionError || cause instanceof LoadError || !(cause instanceof FastsdeError))
    return cause;
  if (cause.message.includes(source)) return cause;
  const { option, value } = cause;
  return new ModelError(`${source}: ${cause.message}`, {
    ...(option !== undefined && { option, value }),
    cause,
  });
}
