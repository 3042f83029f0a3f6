import { FastsdeError, LoadError, ModelError, OptionError } from '../../errors.js';
import type { TensorInfo } from '../../onnx/file/model.js';
import type { PartialFeeds, Session } from '../../onnx/run/runtime.js';
import type { Device, DeviceName } from '../../device/device.js';
import { Room } from '../../device/room.js';
import { BoundNetwork } from './bound-network.js';
import type { NetworkArrays, NetworkForm, RowLabels } from './bound-rows.js';
import { classTensor, isShared, statePort, timeTensor } from './feeds.js';
import { inputTensor, type InputValue } from './input-values.js';
import { Inlet, Outlet, rangesOf, rowsIn, type PaddedRange } from './ranges.js';
import type { Roles } from './roles.js';
import { Tape } from './tape.js';
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

/** What a run gives beside the output, arrays [rows, ...shape]. */
interface Results {
  readonly product?: Float32Array | undefined;
  readonly variance?: Float32Array | undefined;
  /** Takes what products with the Jacobian read. */
  readonly tape?: Tape | undefined;
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
    const { selfCondition } = roles;
    const outputShape = this.#outputShape;
    this.#estimate = selfCondition && new Inlet(statePort(selfCondition, shape), this.#elements);
    this.#cotangent = new Inlet(statePort(roles.output, outputShape), this.#elements, this.#parts);
    this.#output = new Outlet(statePort(roles.output, outputShape), this.#elements, this.#parts);
    this.#product = new Outlet(statePort(roles.state, shape), this.#elements);
  }

  /**
   * Writes the network's output for the rows into `output`, a variance beside it into `variance`, and into `product` what a
   * differentiated network makes of the cotangent; the tape has what one keeps that is linearized. One run at a time; later calls wait.
   * @throws ModelError after release(), and where ONNX Runtime fails.
   */
  run(rows: Rows, output: Float32Array, results: Results = {}): Promise<void> {
    const running = this.#last.then(() => this.#run(rows, output, results));
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
    const bound = this.#bind(device, arrays, undefined);
    return (labels) => {
      this.#open();
      bound.enqueue(labels);
    };
  }

  /** The same of a linearized network, and of products with its Jacobian there: arrays have the cotangent, and the product. */
  bindLinearized(
    device: Device,
    arrays: NetworkArrays,
    transpose: { readonly session: Session; readonly kept: readonly string[] },
  ): BoundNetwork {
    return this.#bind(device, arrays, transpose);
  }

  #bind(device: Device, arrays: NetworkArrays, transpose: NetworkForm['transpose']): BoundNetwork {
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
      transpose,
      explain: (cause: Error) => nameSource(this.source, cause) as Error,
    };
    return new BoundNetwork(form, device, room, arrays);
  }

  #open(): Session {
    if (this.#session) return this.#session;
    throw new ModelError(`${this.source} is closed and cannot be evaluated.`);
  }

  get #outputShape(): readonly number[] {
    return [this.#parts * (this.#shape[0] ?? 1), ...this.#shape.slice(1)];
  }

  get #productName(): string {
    return `vjp.${this.roles.state.name}`;
  }

  /** A tape for evaluations of this network, which keeps these values, outputs of its or inputs, for a session of its transpose. */
  tape(session: Session, kept: readonly string[]): Tape {
    const { roles } = this;
    const outputs = this.#open().outputs.map(({ name }) => name);
    return new Tape({
      session,
      kept,
      computed: new Set(outputs.filter((name) => name !== roles.output.name)),
      cotangent: {
        name: COTANGENT,
        inlet: new Inlet(statePort(roles.output, this.#outputShape), this.#elements, this.#parts),
      },
      product: {
        name: this.#productName,
        outlet: new Outlet(statePort(roles.state, this.#shape), this.#elements),
      },
    });
  }

  async release(): Promise<void> {
    await this.#last;
    const session = this.#session;
    this.#session = undefined;
    await session?.release();
  }

  async #run(rows: Rows, output: Float32Array, results: Results): Promise<void> {
    results.tape?.begin();
    for (const range of rangesOf(rows.time, this.#batch, this.#sharedTime))
      await this.#runOnce(rows, output, results, range);
  }

  /** Runs the network once, on some of the rows; the last one is repeated where the file wants more. */
  async #runOnce(
    rows: Rows,
    output: Float32Array,
    { product, variance, tape }: Results,
    range: PaddedRange,
  ): Promise<void> {
    const session = this.#open();
    const { roles } = this;
    const own = rowsIn(range);
    const times = Float64Array.from(own, (row) => rows.time[row]!);
    const feeds = {
      [roles.state.name]: this.#state.open(rows.x, range, rows.scale),
      [roles.time.name]: timeTensor(roles.time, times, this.#sharedTime),
    };
    if (roles.class) {
      const classes = own.map((row) => rows.classes![row]!);
      feeds[roles.class.name] = classTensor(roles.class, classes, this.#classes!);
    }
    if (this.#estimate) {
      const zero = () => new Float32Array(rows.x.length);
      feeds[roles.selfCondition!.name] = this.#estimate.open(rows.estimate ?? zero(), range);
    }
    if (rows.inputs?.length) {
      const samples = own.map((row) => rows.samples?.[row] ?? 0);
      for (const input of rows.inputs) feeds[input.name] = inputTensor(input, range.size, samples);
    }
    if (rows.cotangent) feeds[COTANGENT] = this.#cotangent.open(rows.cotangent, range);
    const fetches: PartialFeeds = {
      ...tape?.places(range),
      [roles.output.name]: this.#output.open(output, range, variance),
      ...(product && { [this.#productName]: this.#product.open(product, range) }),
    };
    try {
      const results = await session.run(feeds, fetches, { signal: rows.signal });
      tape?.keep(range, { ...feeds, ...results });
    } catch (cause) {
      throw nameSource(this.source, cause);
    }
    this.#output.close();
    if (product) this.#product.close();
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
