import type { Device, Elements, ElementKind, Values } from '../../device/device.js';
import type { TensorInfo } from '../../onnx/file/model.js';
import type { Bound, BoundTensors, Session, Tensor } from '../../onnx/run/runtime.js';
import { classTensor, isShared, stateKind, timeTensor } from './feeds.js';
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
  /** The last estimates of x_0; zero where absent. */
  readonly estimate?: Elements | undefined;
  /** The second half of the channels of the output; left out where absent. */
  readonly variance?: Elements | undefined;
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
  /** 2 where the output has a variance in as many channels more. */
  readonly parts: 1 | 2;
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
    const { selfCondition } = roles;
    this.#state = {
      [roles.state.name]: this.#feed(roles.state, arrays.x, arrays.isScaled),
      ...(selfCondition && {
        [selfCondition.name]: arrays.estimate
          ? this.#feed(selfCondition, arrays.estimate, false)
          : {
              data: device.allocate(range.size * form.elements, stateKind(selfCondition)),
              dims: this.#dims(),
            },
      }),
    };
    if (arrays.cotangent) this.#cotangent = { [cotangent]: this.#feedCotangent(arrays.cotangent) };
    this.#targets = {
      [roles.output.name]: this.#fetchOutput(arrays),
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

  #dims(parts = 1): readonly number[] {
    const [channels = 1, ...rest] = this.#form.shape;
    return [this.#range.size, parts * channels, ...rest];
  }

  #rows(values: Elements): Elements {
    const { start, end } = this.#range;
    return this.#device.rows(values, this.#form.elements, start, end - start);
  }

  /** Rows into the network: the array itself where nothing has to be scaled, repeated or converted. */
  #feed(info: TensorInfo, values: Elements, isScaled: boolean): BoundTensors[string] {
    const { name } = info;
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
    return { data: this.#converted(info, data), dims: this.#dims() };
  }

  /** The cotangent of F; that of a variance is 0. */
  #feedCotangent(values: Elements): BoundTensors[string] {
    const { roles, cotangent, parts, elements } = this.#form;
    const info = { ...roles.output, name: cotangent };
    if (parts === 1) return this.#feed(info, values, false);
    const { start, end, size } = this.#range;
    const [own, both] = [this.#rows(values), this.#device.allocate(2 * size * elements, 'single')];
    const places = everySecond(end - start, 0);
    this.#before.push(() => {
      this.#device.scatter(both, own, places);
    });
    return { data: this.#converted(info, both), dims: this.#dims(2) };
  }

  /** Values in single precision as the network takes them. */
  #converted({ name, type }: TensorInfo, single: Elements): Elements {
    if (type === 'float32') return single;
    const other = this.#room.place(name, single.length, stateKind({ name, type }));
    this.#before.push(() => {
      this.#device.copy(other, single);
    });
    return other;
  }

  /** F, and the variance beside it where it is wanted. */
  #fetchOutput({ output, variance }: NetworkArrays): BoundTensors[string] {
    const { roles, parts, elements } = this.#form;
    if (parts === 1) return this.#fetch(roles.output, output);
    const { start, end, size } = this.#range;
    const both = this.#room.place(`${roles.output.name} parts`, 2 * size * elements, 'single');
    const data = this.#unconverted(roles.output, both);
    [output, variance].forEach((values, part) => {
      if (!values) return;
      const [own, places] = [this.#rows(values), everySecond(end - start, part)];
      this.#after.push(() => {
        this.#device.gather(own, both, places);
      });
    });
    return { data, dims: this.#dims(2) };
  }

  /** Where the network writes what comes out in single precision. */
  #unconverted({ name, type }: TensorInfo, single: Elements): Elements {
    if (type === 'float32') return single;
    const other = this.#room.place(name, single.length, stateKind({ name, type }));
    this.#after.push(() => {
      this.#device.copy(single, other);
    });
    return other;
  }

  /** Rows out of the network. */
  #fetch(info: TensorInfo, values: Elements): BoundTensors[string] {
    const { name } = info;
    const { start, end, size } = this.#range;
    const { elements } = this.#form;
    const own = this.#rows(values);
    const length = size * elements;
    const result = size === end - start ? own : this.#room.place(`${name} rows`, length, 'single');
    const data = this.#unconverted(info, result);
    if (result !== own) {
      const kept = this.#device.rows(result, elements, 0, end - start);
      this.#after.push(() => {
        this.#device.copy(own, kept);
      });
    }
    return { data, dims: this.#dims() };
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

/** The places of a part of each of `count` rows of two parts. */
function everySecond(count: number, part: number): Int32Array {
  return Int32Array.from({ length: count }, (_, i) => 2 * i + part);
}

function kindOf(values: Values): ElementKind {
  if (values instanceof Float32Array) return 'single';
  if (values instanceof Float64Array) return 'double';
  if (values instanceof Uint16Array) return 'half';
  if (values instanceof Uint8Array) return 'byte';
  return values instanceof Int32Array ? 'int32' : 'int64';
}
