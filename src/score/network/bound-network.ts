import type { Device, Elements, ElementKind, Values } from '../../device/device.js';
import type { TensorInfo } from '../../onnx/file/model.js';
import type { Bound, BoundTensors, Session, Tensor } from '../../onnx/run/runtime.js';
import { classTensor, isShared, timeTensor } from './feeds.js';
import { inputTensor, type InputValue } from './input-values.js';
import type { Roles } from './roles.js';

/** What a network is fed with beside its state. */
export interface RowLabels {
  /** What each row of x is multiplied with on its way into the network; 1 where absent. */
  readonly scale?: Float64Array | undefined;
  readonly time: Float64Array;
  readonly classes?: Int32Array | undefined;
  /** The sample of each row, where inputs differ from sample to sample. */
  readonly samples?: Int32Array | undefined;
}

/** Arrays of a device, [rows, ...shape] each; of a differentiated network also what goes in and comes out beside x and F. */
export interface NetworkArrays {
  readonly x: Elements;
  /** Whether x is multiplied with the scale of its rows. */
  readonly isScaled: boolean;
  readonly output: Elements;
  readonly cotangent?: Elements | undefined;
  readonly product?: Elements | undefined;
  /** Of the other inputs. */
  readonly inputs: readonly InputValue[];
}

/** What a network is, and what it wants. */
export interface NetworkForm {
  readonly session: Session;
  readonly roles: Roles;
  readonly shape: readonly number[];
  readonly elements: number;
  readonly classes: number | undefined;
  /** Rows of every run; as many as there are where undefined. */
  readonly batch: number | undefined;
  /** Names of the cotangent, and of what a differentiated network makes of it. */
  readonly cotangent: string;
  readonly product: string;
  readonly explain: (cause: Error) => Error;
}

/** Rows start to end, and the last one again up to `size`. */
interface Range {
  readonly start: number;
  readonly end: number;
  readonly size: number;
}

/** A network on arrays of a device: splits, pads and converts by commands, and runs what was bound once for each range of rows. */
export class BoundNetwork {
  readonly #form: NetworkForm;
  readonly #device: Device;
  readonly #room: Room;
  readonly #arrays: NetworkArrays;
  readonly #ranges = new Map<string, BoundRange>();

  constructor(form: NetworkForm, device: Device, room: Room, arrays: NetworkArrays) {
    this.#form = form;
    this.#device = device;
    this.#room = room;
    this.#arrays = arrays;
  }

  /** Enqueues the network on all rows. */
  enqueue(labels: RowLabels): void {
    const { batch, roles } = this.#form;
    const { time } = labels;
    const shared = isShared(roles.time, batch);
    for (let start = 0; start < time.length;) {
      let end = Math.min(time.length, start + (batch ?? time.length));
      if (shared) {
        const change = time.subarray(start, end).findIndex((label) => label !== time[start]);
        if (change > 0) end = start + change;
      }
      this.#range(start, end).enqueue(labels);
      start = end;
    }
  }

  #range(start: number, end: number): BoundRange {
    const key = `${start}-${end}`;
    let range = this.#ranges.get(key);
    if (!range) {
      const size = this.#form.batch ?? end - start;
      range = new BoundRange(this.#form, this.#device, this.#room, this.#arrays, { start, end, size });
      this.#ranges.set(key, range);
    }
    return range;
  }
}

/** Room on a device for what networks take and give in another form. Commands come in order, so that one place serves all. */
export class Room {
  readonly #device: Device;
  readonly #places = new Map<string, Elements>();

  constructor(device: Device) {
    this.#device = device;
  }

  place(use: string, length: number, kind: ElementKind): Elements {
    const key = `${use} ${kind}`;
    let place = this.#places.get(key);
    if (!place || place.length < length) {
      place = this.#device.allocate(length, kind);
      this.#places.set(key, place);
    }
    return this.#device.rows(place, 1, 0, length);
  }
}

/** One run of a network, and the commands before and after it. */
class BoundRange {
  readonly #form: NetworkForm;
  readonly #device: Device;
  readonly #room: Room;
  readonly #range: Range;
  readonly #before: ((labels: RowLabels) => void)[] = [];
  readonly #after: (() => void)[] = [];
  #run: Bound | undefined;
  readonly #state: BoundTensors;
  #labels: BoundTensors = {};
  readonly #cotangent: BoundTensors = {};
  readonly #targets: BoundTensors;
  readonly #inputs: readonly InputValue[];
  #constants: BoundTensors = {};
  /** The samples whose inputs are in place. */
  #samples: Int32Array | undefined;

  constructor(form: NetworkForm, device: Device, room: Room, arrays: NetworkArrays, range: Range) {
    this.#form = form;
    this.#device = device;
    this.#room = room;
    this.#range = range;
    const { roles, cotangent, product } = form;
    this.#inputs = arrays.inputs;
    this.#state = { [roles.state.name]: this.#feed(roles.state, arrays.x, arrays.isScaled) };
    if (arrays.cotangent)
      this.#cotangent = {
        [cotangent]: this.#feed({ ...roles.output, name: cotangent }, arrays.cotangent, false),
      };
    this.#targets = {
      [roles.output.name]: this.#fetch(roles.output, arrays.output),
      ...(arrays.product && { [product]: this.#fetch({ ...roles.state, name: product }, arrays.product) }),
    };
  }

  enqueue(labels: RowLabels): void {
    for (const command of this.#before) command(labels);
    this.#labels = this.#labelled(labels);
    this.#constants = this.#placed(labels);
    this.#run ??= this.#form.session.bind!(
      this.#device,
      { ...this.#state, ...this.#labels, ...this.#constants, ...this.#cotangent },
      this.#targets,
      this.#form.explain,
    );
    this.#run();
    for (const command of this.#after) command();
  }

  get #dims(): readonly number[] {
    return [this.#range.size, ...this.#form.shape];
  }

  #rows(values: Elements): Elements {
    const { start, end } = this.#range;
    return this.#device.rows(values, this.#form.elements, start, end - start);
  }

  /** Rows into the network: the array itself where nothing has to be scaled, repeated or converted. */
  #feed({ name, type }: TensorInfo, values: Elements, isScaled: boolean): BoundTensors[string] {
    const { start, end, size } = this.#range;
    const own = this.#rows(values);
    const length = size * this.#form.elements;
    const padded = size !== end - start;
    let data = own;
    if (padded || isScaled) {
      const buffer = (data = this.#room.place(`${name} rows`, length, 'single'));
      const sources = Int32Array.from({ length: size }, (_, i) => Math.min(i, end - start - 1));
      this.#before.push(({ scale }) => {
        if (padded) this.#device.gather(buffer, own, sources);
        else this.#device.copy(buffer, own);
        if (isScaled) this.#device.scale(buffer, this.#repeated(scale!));
      });
    }
    if (type === 'float16') {
      const [half, single] = [this.#room.place(name, length, 'half'), data];
      this.#before.push(() => {
        this.#device.copy(half, single);
      });
      data = half;
    }
    return { data, dims: this.#dims };
  }

  /** Rows out of the network. */
  #fetch({ name, type }: TensorInfo, values: Elements): BoundTensors[string] {
    const { start, end, size } = this.#range;
    const { elements } = this.#form;
    const own = this.#rows(values);
    const length = size * elements;
    const result = size === end - start ? own : this.#room.place(`${name} rows`, length, 'single');
    let data = result;
    if (type === 'float16') {
      const half = (data = this.#room.place(name, length, 'half'));
      this.#after.push(() => {
        this.#device.copy(result, half);
      });
    }
    if (result !== own) {
      const kept = this.#device.rows(result, elements, 0, end - start);
      this.#after.push(() => {
        this.#device.copy(own, kept);
      });
    }
    return { data, dims: this.#dims };
  }

  /** Times and classes, in small arrays of the device. */
  #labelled({ time, classes }: RowLabels): BoundTensors {
    const { roles, batch } = this.#form;
    const times = timeTensor(roles.time, this.#repeated(time), isShared(roles.time, batch));
    const labels = { [roles.time.name]: this.#put(roles.time.name, times) };
    if (!roles.class) return labels;
    const rows = Int32Array.from(this.#repeated(Float64Array.from(classes!)));
    const tensor = classTensor(roles.class, rows, this.#form.classes!);
    return { ...labels, [roles.class.name]: this.#put(roles.class.name, tensor) };
  }

  /** The other inputs, in arrays of this range's own: they stay there until its rows are of other samples. */
  #placed({ samples }: RowLabels): BoundTensors {
    const { start, end, size } = this.#range;
    const own = Int32Array.from({ length: size }, (_, i) => samples?.[Math.min(start + i, end - 1)] ?? 0);
    const before = this.#samples;
    if (before && own.every((sample, i) => sample === before[i])) return this.#constants;
    this.#samples = own;
    return Object.fromEntries(
      this.#inputs.map((input) => {
        const known = this.#constants[input.name];
        if (known && (input.rows ?? 1) === 1) return [input.name, known];
        const { data, dims } = inputTensor(input, size, own);
        const place = known?.data ?? this.#device.allocate(data.length, kindOf(data));
        this.#device.write(place, data);
        return [input.name, { data: place, dims }];
      }),
    );
  }

  #put(name: string, { data, dims }: Tensor): BoundTensors[string] {
    const values = data;
    const place = this.#labels[name]?.data ?? this.#room.place(name, values.length, kindOf(values));
    this.#device.write(place, values);
    return { data: place, dims };
  }

  /** The values of the rows of this range, the last one repeated. */
  #repeated(values: Float64Array): Float64Array {
    const { start, end, size } = this.#range;
    return Float64Array.from({ length: size }, (_, i) => values[Math.min(start + i, end - 1)]!);
  }
}

function kindOf(values: Values): ElementKind {
  if (values instanceof Float32Array) return 'single';
  if (values instanceof Float64Array) return 'double';
  if (values instanceof Uint16Array) return 'half';
  if (values instanceof Uint8Array) return 'byte';
  return values instanceof Int32Array ? 'int32' : 'int64';
}
