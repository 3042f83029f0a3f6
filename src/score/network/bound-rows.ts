import type { Device, Elements } from '../../device/device.js';
import type { Room } from '../../device/room.js';
import type { TensorInfo } from '../../onnx/file/model.js';
import type { BoundTensors, Session } from '../../onnx/run/runtime.js';
import { stateKind } from './feeds.js';
import type { InputValue } from './input-values.js';
import { rowsIn, type PaddedRange } from './ranges.js';
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
  /** Of a linearized network: the session of its transpose, and what that reads beside the cotangent, outputs of the network or inputs. */
  readonly transpose?: { readonly session: Session; readonly kept: readonly string[] } | undefined;
}

/** Rows of arrays on their way into a network and out of it, and the commands before and after a run of it. */
export class BoundRows {
  protected readonly form: NetworkForm;
  protected readonly device: Device;
  protected readonly room: Room;
  protected readonly range: PaddedRange;
  protected readonly before: ((labels: RowLabels) => void)[] = [];
  protected readonly after: (() => void)[] = [];

  constructor(form: NetworkForm, device: Device, room: Room, range: PaddedRange) {
    this.form = form;
    this.device = device;
    this.room = room;
    this.range = range;
  }

  protected dims(parts = 1): readonly number[] {
    const [channels = 1, ...rest] = this.form.shape;
    return [this.range.size, parts * channels, ...rest];
  }

  protected rows(values: Elements): Elements {
    const { start, end } = this.range;
    return this.device.rows(values, this.form.elements, start, end - start);
  }

  /** Rows into the network: the array itself where nothing has to be scaled, repeated or converted. */
  protected feed(info: TensorInfo, values: Elements, isScaled: boolean): BoundTensors[string] {
    const { name } = info;
    const { start, end, size } = this.range;
    const own = this.rows(values);
    const length = size * this.form.elements;
    const padded = size !== end - start;
    let data = own;
    if (padded || isScaled) {
      const buffer = (data = this.room.place(`${name} rows`, length, 'single'));
      const sources = rowsIn({ start: 0, end: end - start, size });
      this.before.push(({ scale }) => {
        if (padded) this.device.gather(buffer, own, sources);
        else this.device.copy(buffer, own);
        if (isScaled) this.device.scale(buffer, this.repeated(scale!));
      });
    }
    return { data: this.#converted(info, data), dims: this.dims() };
  }

  /** The cotangent of F; that of a variance is 0. */
  protected feedCotangent(values: Elements): BoundTensors[string] {
    const { roles, cotangent, parts, elements } = this.form;
    const info = { ...roles.output, name: cotangent };
    if (parts === 1) return this.feed(info, values, false);
    const { start, end, size } = this.range;
    const [own, both] = [this.rows(values), this.device.allocate(2 * size * elements, 'single')];
    const places = everySecond(end - start, 0);
    this.before.push(() => {
      this.device.scatter(both, own, places);
    });
    return { data: this.#converted(info, both), dims: this.dims(2) };
  }

  /** Values in single precision as the network takes them. */
  #converted({ name, type }: TensorInfo, single: Elements): Elements {
    if (type === 'float32') return single;
    const other = this.room.place(name, single.length, stateKind({ name, type }));
    this.before.push(() => {
      this.device.copy(other, single);
    });
    return other;
  }

  /** F, and the variance beside it where it is wanted. */
  protected fetchOutput({ output, variance }: NetworkArrays): BoundTensors[string] {
    const { roles, parts, elements } = this.form;
    if (parts === 1) return this.fetch(roles.output, output);
    const { start, end, size } = this.range;
    const both = this.room.place(`${roles.output.name} parts`, 2 * size * elements, 'single');
    const data = this.#unconverted(roles.output, both);
    [output, variance].forEach((values, part) => {
      if (!values) return;
      const [own, places] = [this.rows(values), everySecond(end - start, part)];
      this.after.push(() => {
        this.device.gather(own, both, places);
      });
    });
    return { data, dims: this.dims(2) };
  }

  /** Where the network writes what comes out in single precision. */
  #unconverted({ name, type }: TensorInfo, single: Elements): Elements {
    if (type === 'float32') return single;
    const other = this.room.place(name, single.length, stateKind({ name, type }));
    this.after.push(() => {
      this.device.copy(single, other);
    });
    return other;
  }

  /** Rows out of the network. */
  protected fetch(info: TensorInfo, values: Elements): BoundTensors[string] {
    const { name } = info;
    const { start, end, size } = this.range;
    const { elements } = this.form;
    const own = this.rows(values);
    const length = size * elements;
    const result = size === end - start ? own : this.room.place(`${name} rows`, length, 'single');
    const data = this.#unconverted(info, result);
    if (result !== own) {
      const kept = this.device.rows(result, elements, 0, end - start);
      this.after.push(() => {
        this.device.copy(own, kept);
      });
    }
    return { data, dims: this.dims() };
  }

  /** The values of the rows of this range, the last one repeated. */
  protected repeated(values: Float64Array): Float64Array {
    return Float64Array.from(rowsIn(this.range), (row) => values[row]!);
  }
}

/** The places of a part of each of `count` rows of two parts. */
function everySecond(count: number, part: number): Int32Array {
  return Int32Array.from({ length: count }, (_, i) => 2 * i + part);
}
