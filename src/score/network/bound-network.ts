import type { Device, ElementKind, Values } from '../../device/device.js';
import { Room } from '../../device/room.js';
import type { Bound, BoundFeeds, BoundTensors, Tensor } from '../../onnx/run/runtime.js';
import { BoundRows, type NetworkArrays, type NetworkForm, type RowLabels } from './bound-rows.js';
import { classTensor, isShared, stateKind, timeTensor } from './feeds.js';
import { inputTensor, type InputValue } from './input-values.js';
import { rangesOf, rowsIn, type PaddedRange } from './ranges.js';

/** A network on arrays of a device: splits, pads and converts by commands, and runs what was bound once for each range of rows. */
export class BoundNetwork {
  readonly #form: NetworkForm;
  readonly #device: Device;
  readonly #room: Room;
  readonly #arrays: NetworkArrays;
  readonly #ranges = new Map<string, BoundRange>();
  /** Those of the last evaluation. */
  #last: BoundRange[] = [];

  constructor(form: NetworkForm, device: Device, room: Room, arrays: NetworkArrays) {
    this.#form = form;
    this.#device = device;
    this.#room = room;
    this.#arrays = arrays;
  }

  /** Enqueues the network on all rows. */
  enqueue(labels: RowLabels): void {
    this.#last = [];
    const { batch, roles } = this.#form;
    for (const range of rangesOf(labels.time, batch, isShared(roles.time, batch))) {
      const bound = this.#bound(range);
      bound.enqueue(labels);
      this.#last.push(bound);
    }
  }

  /** Of a linearized network: the products with its transpose where it was enqueued last. */
  enqueueProduct(): void {
    for (const range of this.#last) range.enqueueProduct();
  }

  #bound(range: PaddedRange): BoundRange {
    const key = `${range.start}-${range.end}`;
    let bound = this.#ranges.get(key);
    if (!bound) {
      // What a product reads may not be written by the other ranges.
      const room = this.#form.transpose ? new Room(this.#device) : this.#room;
      bound = new BoundRange(this.#form, this.#device, room, this.#arrays, range);
      this.#ranges.set(key, bound);
    }
    return bound;
  }
}

/** One run of a network, and the commands before and after it. */
class BoundRange extends BoundRows {
  #run: Bound | undefined;
  readonly #state: BoundTensors;
  #labels: BoundTensors = {};
  readonly #cotangent: BoundTensors = {};
  readonly #targets: Record<string, BoundTensors[string] | undefined>;
  readonly #transpose: BoundTranspose | undefined;
  readonly #inputs: readonly InputValue[];
  #constants: BoundTensors = {};
  /** The samples whose inputs are in place. */
  #samples: Int32Array | undefined;

  constructor(form: NetworkForm, device: Device, room: Room, arrays: NetworkArrays, range: PaddedRange) {
    super(form, device, room, range);
    const { roles, cotangent, product } = form;
    this.#inputs = arrays.inputs;
    const { selfCondition } = roles;
    this.#state = {
      [roles.state.name]: this.feed(roles.state, arrays.x, arrays.isScaled),
      ...(selfCondition && {
        [selfCondition.name]: arrays.estimate
          ? this.feed(selfCondition, arrays.estimate, false)
          : {
              data: device.allocate(range.size * form.elements, stateKind(selfCondition)),
              dims: this.dims(),
            },
      }),
    };
    this.#targets = { [roles.output.name]: this.fetchOutput(arrays) };
    if (form.transpose) {
      const computed = form.session.outputs.map(({ name }) => name);
      for (const name of form.transpose.kept) if (computed.includes(name)) this.#targets[name] ??= undefined;
      this.#transpose = new BoundTranspose(form, device, room, arrays, range);
      return;
    }
    if (arrays.cotangent) this.#cotangent = { [cotangent]: this.feedCotangent(arrays.cotangent) };
    if (arrays.product)
      this.#targets[product] = this.fetch({ ...roles.state, name: product }, arrays.product);
  }

  enqueue(labels: RowLabels): void {
    for (const command of this.before) command(labels);
    this.#labels = this.#labelled(labels);
    this.#constants = this.#placed(labels);
    this.#run ??= this.form.session.bind!(
      this.device,
      { ...this.#state, ...this.#labels, ...this.#constants, ...this.#cotangent },
      this.#targets,
      this.form.explain,
    );
    this.#run();
    for (const command of this.after) command();
  }

  /** Of a linearized network that was enqueued: the product with its transpose there. */
  enqueueProduct(): void {
    const run = this.#run!;
    const feeds = { ...this.#targets, ...this.#state, ...this.#labels, ...this.#constants };
    this.#transpose!.enqueue((name) => feeds[name] ?? { by: run, name });
  }

  /** Times and classes, in small arrays of the device. */
  #labelled({ time, classes }: RowLabels): BoundTensors {
    const { roles, batch } = this.form;
    const times = timeTensor(roles.time, this.repeated(time), isShared(roles.time, batch));
    const labels = { [roles.time.name]: this.#put(roles.time.name, times) };
    if (!roles.class) return labels;
    const own = rowsIn(this.range).map((row) => classes![row]!);
    const tensor = classTensor(roles.class, own, this.form.classes!);
    return { ...labels, [roles.class.name]: this.#put(roles.class.name, tensor) };
  }

  /** The other inputs, in arrays of this range's own: they stay there until its rows are of other samples. */
  #placed({ samples }: RowLabels): BoundTensors {
    const own = rowsIn(this.range).map((row) => samples?.[row] ?? 0);
    const before = this.#samples;
    if (before && own.every((sample, i) => sample === before[i])) return this.#constants;
    this.#samples = own;
    return Object.fromEntries(
      this.#inputs.map((input) => {
        const known = this.#constants[input.name];
        if (known && (input.rows ?? 1) === 1) return [input.name, known];
        const { data, dims } = inputTensor(input, this.range.size, own);
        const place = known?.data ?? this.device.allocate(data.length, kindOf(data));
        this.device.write(place, data);
        return [input.name, { data: place, dims }];
      }),
    );
  }

  #put(name: string, { data, dims }: Tensor): BoundTensors[string] {
    const values = data;
    const place = this.#labels[name]?.data ?? this.room.place(name, values.length, kindOf(values));
    this.device.write(place, values);
    return { data: place, dims };
  }
}

/** The transpose of a linearized network on the rows of a run of that. */
class BoundTranspose extends BoundRows {
  readonly #cotangent: BoundTensors[string];
  readonly #product: BoundTensors[string];
  #run: Bound | undefined;

  constructor(form: NetworkForm, device: Device, room: Room, arrays: NetworkArrays, range: PaddedRange) {
    super(form, device, room, range);
    this.#cotangent = this.feedCotangent(arrays.cotangent!);
    this.#product = this.fetch({ ...form.roles.state, name: form.product }, arrays.product!);
  }

  /** @param kept what it reads beside the cotangent. */
  enqueue(kept: (name: string) => BoundFeeds[string]): void {
    const { transpose, cotangent, product, explain } = this.form;
    for (const command of this.before) command(none);
    this.#run ??= transpose!.session.bind!(
      this.device,
      {
        ...Object.fromEntries(transpose!.kept.map((name) => [name, kept(name)])),
        [cotangent]: this.#cotangent,
      },
      { [product]: this.#product },
      explain,
    );
    this.#run();
    for (const command of this.after) command();
  }
}

/** Cotangents are not scaled. */
const none: RowLabels = { time: new Float64Array(0) };

function kindOf(values: Values): ElementKind {
  if (values instanceof Float32Array) return 'single';
  if (values instanceof Float64Array) return 'double';
  if (values instanceof Uint16Array) return 'half';
  if (values instanceof Uint8Array) return 'byte';
  return values instanceof Int32Array ? 'int32' : 'int64';
}
