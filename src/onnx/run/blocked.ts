import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { ModelError } from '../../errors.js';
import { Builder, type Value } from '../graph/builder.js';
import { WEIGHT_GRADIENT, withOwnOperators } from '../graph/fuse.js';
import { BLOCKED_CONV, BlockedValues, REORDER_INPUT } from './blocked-values.js';
import {
  ancestors,
  intAttribute,
  intsAttribute,
  makeNode,
  makeValueInfo,
  operatorOf,
  sortNodes,
  stringAttribute,
  type Graph,
} from '../graph/graph.js';
import { inferTypes } from '../graph/infer.js';
import { makeModel, modelBytes, type Model } from '../file/model.js';
import { decodeModel, type ModelProto, type NodeProto, type ValueInfo } from '../file/proto.js';
import { createSession } from './runtime.js';
import { makeTensor, tensorNumbers } from '../file/tensor.js';

/**
 * The same graph for one batch size with ONNX Runtime's blocked convolutions, in which channels lie in groups of as many
 * as a vector register holds. ONNX Runtime uses them by itself only where weights are constants; where they are inputs, as
 * in training, this pass writes them, and blocks the weights in the graph. A weight gradient becomes one
 * operator of fastsde's own sessions, which reads images as they lie.
 *
 * Inputs and outputs keep their names, and values agree to rounding. Its operators are internal to ONNX Runtime's CPU
 * provider or to fastsde, so the result is for running at once, not for keeping in a file.
 *
 * @param batch size of every symbolic first dimension, at least 1; the result accepts no other
 * @returns undefined where this processor has no blocked convolutions, or the graph none that could be blocked
 * @throws ModelError where ONNX Runtime refuses the graph at this batch size.
 */
export async function blockConvolutions(model: Model, batch: number): Promise<Model | undefined> {
  if (!model.proto.graph.node.some((node) => operatorOf(node) === 'Conv')) return undefined;
  const block = await blockSize();
  if (block === undefined) return undefined;
  const proto = withBatch(model.proto, batch);
  const opset = model.opsets.get('') ?? 0;
  const types = await inferTypes(proto, model.folder);
  const graph: Graph = {
    opset,
    inputs: proto.graph.input,
    outputs: proto.graph.output,
    initializers: new Map(proto.graph.initializer.map((tensor) => [tensor.name ?? '', tensor])),
    nodes: proto.graph.node,
    types,
    ...(model.folder === undefined ? {} : { folder: model.folder }),
  };
  const pass = new BlockedPass(graph, block);
  const node = pass.rewrite();
  if (node === undefined) return undefined;
  const initializer = [...proto.graph.initializer, ...pass.b.initializers.values()];
  const sorted = sortNodes({ ...proto.graph, node, initializer });
  const used = ancestors(
    sorted,
    proto.graph.output.map(({ name }) => name ?? ''),
  );
  const opset_import = withOwnOperators(proto.opset_import);
  return makeModel(
    { ...proto, opset_import, graph: { ...proto.graph, node: used, initializer } },
    model.folder,
  );
}

/** The model with a number in place of each symbolic first dimension of an input. */
function withBatch(proto: Model['proto'], batch: number): Model['proto'] {
  const resize = (info: ValueInfo): ValueInfo => {
    const tensor = info.type?.tensor_type;
    const first = tensor?.shape?.dim[0];
    if (tensor?.shape === undefined || first === undefined || first.dim_value !== undefined) return info;
    const dim = [{ dim_value: batch }, ...tensor.shape.dim.slice(1)];
    return { ...info, type: { tensor_type: { ...tensor, shape: { dim } } } };
  };
  const { input, output } = proto.graph;
  return { ...proto, graph: { ...proto.graph, input: input.map(resize), output: output.map(resize) } };
}

let probing: Promise<number | undefined> | undefined;

/**
 * How many channels ONNX Runtime puts into a block on this processor (8 with AVX2, 16 with AVX-512), or undefined where it
 * has no blocked convolutions. It is read off a small network as ONNX Runtime optimised it: weight o of the only input
 * position is written beside weight o + 1 of the same block.
 */
export function blockSize(): Promise<number | undefined> {
  probing ??= probe().catch((error: unknown) => {
    if (error instanceof ModelError) return undefined;
    probing = undefined;
    throw error;
  });
  return probing;
}

const PROBE_CHANNELS = 64;

async function probe(): Promise<number | undefined> {
  const count = PROBE_CHANNELS;
  // The weight from channel i to channel o is i, so that the first 1 ends the first row of a block.
  const values = Array.from({ length: count * count }, (_, index) => index % count);
  const shape = (size: number) => ({ type: 'float32' as const, shape: [1, count, size, size] });
  const proto: ModelProto = {
    ir_version: 8,
    opset_import: [{ domain: '', version: 18 }],
    metadata_props: [],
    functions: [],
    graph: {
      name: 'probe',
      node: [makeNode('Conv', ['x', 'w'], ['y'], { kernel_shape: [1, 1] })],
      initializer: [makeTensor('w', 'float32', [count, count, 1, 1], values)],
      input: [makeValueInfo('x', shape(4))],
      output: [makeValueInfo('y', shape(4))],
      value_info: [],
    },
  };
  const place = await mkdtemp(join(tmpdir(), 'fastsde-'));
  try {
    const path = join(place, 'optimised.onnx');
    const session = await createSession(modelBytes({ proto }), { threads: 1, optimizedModelPath: path });
    await session.release();
    const { node, initializer } = decodeModel(await readFile(path)).graph!;
    if (!node.some((each) => operatorOf(each) === BLOCKED_CONV)) return undefined;
    const found = tensorNumbers(initializer.find(({ dims }) => dims.length === 4)!).indexOf(1);
    return found > 0 && PROBE_CHANNELS % found === 0 ? found : undefined;
  } finally {
    await rm(place, { recursive: true, force: true });
  }
}

/** A convolution in two dimensions with one group. */
interface Convolution {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly pads: readonly number[];
}

class BlockedPass {
  readonly b: Builder;
  readonly #block: number;
  readonly #producers: ReadonlyMap<Value, NodeProto>;
  readonly #blocked: BlockedValues;

  constructor(graph: Graph, block: number) {
    this.b = new Builder(graph);
    this.#block = block;
    this.#producers = new Map(graph.nodes.flatMap((node) => node.output.map((name) => [name, node])));
    this.#blocked = new BlockedValues(this.b, block, this.#producers);
  }

  /** All nodes of the rewritten graph in no order, or undefined where nothing was rewritten. */
  rewrite(): NodeProto[] | undefined {
    const { nodes } = this.b.graph;
    const kept = nodes.filter((node) => {
      const operator = operatorOf(node);
      return !(
        (operator === 'Conv' && this.#convolution(node)) ||
        (operator === 'Reshape' && this.#weightGradient(node)) ||
        this.#blocked.rewrite(node)
      );
    });
    return kept.length === nodes.length ? undefined : [...kept, ...this.b.nodes];
  }

  /** Replaces a convolution; false leaves it as it is. */
  #convolution(node: NodeProto): boolean {
    const { b } = this;
    const [x, w, bias] = node.input as [Value, Value, Value?];
    const [y] = node.output as [Value];
    const from = this.#sizes(x);
    const to = this.#sizes(y);
    if (from?.length !== 4 || to?.length !== 4 || b.type(x) !== 'float32') return false;
    if (intAttribute(node, 'group', 1) !== 1 || stringAttribute(node, 'auto_pad', 'NOTSET') !== 'NOTSET') {
      return false;
    }
    const [, channels] = from as [number, number];
    const [, filters] = to as [number, number];
    // Few channels are read as they are. ReorderInput wants multiples of four.
    const direct = channels < this.#block;
    if (!direct && channels % 4 !== 0) return false;
    const kernel = this.#sizes(w)!.slice(2);
    const weights = this.#blockWeights(w, filters, channels, kernel, direct);
    const padded = bias ? this.#extend(bias, [this.#up(filters) - filters]) : undefined;
    const image = direct ? x : this.#blocked.of(x);
    const product = b.op(BLOCKED_CONV, [image, weights, padded], {
      kernel_shape: kernel,
      strides: intsAttribute(node, 'strides') ?? [1, 1],
      dilations: intsAttribute(node, 'dilations') ?? [1, 1],
      pads: intsAttribute(node, 'pads') ?? [0, 0, 0, 0],
      group: 1,
    });
    this.#blocked.set(y, product);
    return true;
  }

  /**
   * Weights [O, I, h, w] in blocks, [O/b, I/b, h, w, b of I, b of O], filled up with zeros; where the input is not
   * blocked, [O/b, I, h, w, b of O]. ONNX Runtime takes them under the shape that they had. Most of the work is left to
   * ReorderInput and to moving runs of memory: a transpose that moves the last axis is slow.
   */
  #blockWeights(
    w: Value,
    filters: number,
    channels: number,
    kernel: readonly number[],
    direct: boolean,
  ): Value {
    const { b } = this;
    const block = this.#block;
    const taps = kernel[0]! * kernel[1]!;
    const [o, i] = [this.#up(filters), direct ? channels : this.#up(channels)];
    const inner = direct ? [i, 1] : [i / block, block];
    const more = [o - filters, i - channels];
    const turned = this.#turnedWeights(w);
    if (turned === undefined) {
      const image = b.reshape(this.#extend(w, [...more, 0, 0]), [1, o, i, taps]);
      const runs = b.reshape(b.op(REORDER_INPUT, [image]), [o / block, ...inner, taps, block]);
      return b.reshape(b.transpose(runs, [0, 1, 3, 2, 4]), [o, i, ...kernel]);
    }
    const images = this.#extend(turned, [...more.toReversed(), 0, 0]);
    const runs = b.reshape(b.op(REORDER_INPUT, [images]), [...inner, o / block, taps, block]);
    const backwards = b.ints(Array.from({ length: taps }, (_, tap) => taps - 1 - tap));
    const exchanged = b.transpose(runs, [2, 0, 3, 1, 4]);
    return b.reshape(b.op('Gather', [exchanged, backwards], { axis: 2 }), [o, i, ...kernel]);
  }

  /** The weights of which these are the turned ones, with input and output channels exchanged. */
  #turnedWeights(w: Value): Value | undefined {
    const exchange = this.#producer(w, 'Transpose');
    if (exchange === undefined || intsAttribute(exchange, 'perm')?.join() !== '1,0,2,3') return undefined;
    const slice = this.#producer(exchange.input[0], 'Slice');
    if (slice === undefined) return undefined;
    const [source, start, , axes, steps] = slice.input.map((name, index) =>
      index === 0 ? name : this.b.numbers(name),
    ) as [Value, ...(number[] | undefined)[]];
    const size = this.#sizes(source);
    const whole = size !== undefined && this.#sizes(slice.output[0]!)?.join() === size.join();
    const all = axes?.join() === '2,3' && steps?.join() === '-1,-1' && start?.every((each) => each === -1);
    return whole && all === true ? source : undefined;
  }

  /** Replaces the weight gradient that ends in a node; false leaves it as it is. */
  #weightGradient(node: NodeProto): boolean {
    const found = this.#matchWeightGradient(node);
    if (found === undefined) return false;
    const { b } = this;
    const { x, g, kernel, strides, dilations, pads } = found;
    const [, filters] = this.#sizes(g) as [number, number];
    if (filters % 4 !== 0) return false;
    const inBlocks = this.#blocked.has(x);
    const image = inBlocks ? this.#blocked.of(x) : x;
    const attributes = {
      ...{ block: this.#block, inBlocks: inBlocks ? 1 : 0, filters },
      ...{ kernelHeight: kernel[0]!, kernelWidth: kernel[1]! },
      ...{ strideY: strides[0]!, strideX: strides[1]!, dilationY: dilations[0]!, dilationX: dilations[1]! },
      ...{ top: pads[0]!, left: pads[1]! },
    };
    b.nodes.push(makeNode(WEIGHT_GRADIENT, [image, this.#blocked.of(g)], [node.output[0]!], attributes));
    return true;
  }

  /** The weight gradient as one product, or one per tap, as `autodiff/rules/conv-weight.ts` writes it. */
  #matchWeightGradient(node: NodeProto): (Convolution & { x: Value; g: Value }) | undefined {
    const kernel = this.#sizes(node.output[0]!)?.slice(2);
    const pointwise = this.#producer(node.input[0], 'Gemm');
    if (pointwise !== undefined && kernel?.join() === '1,1') return this.#matchPointwise(pointwise);
    const taps = this.#producer(node.input[0], 'Concat')?.input;
    if (kernel?.length !== 2 || taps?.length !== kernel[0]! * kernel[1]!) return undefined;
    const products = taps.map((tap) => this.#matchTap(tap));
    const last = products.at(-1);
    if (last === undefined) return undefined;
    const dilations = kernel.map((size, axis) => (size === 1 ? 1 : last.start[axis]! / (size - 1)));
    const regular = products.every(
      (tap, index) =>
        tap?.rows === last.rows &&
        tap.source === last.source &&
        tap.start[0] === Math.floor(index / kernel[1]!) * dilations[0]! &&
        tap.start[1] === (index % kernel[1]!) * dilations[1]!,
    );
    if (!regular) return undefined;
    const frame = this.#swapped(last.source);
    const g = this.#swapped(last.rows);
    if (frame === undefined || g === undefined) return undefined;
    const pad = this.#producer(frame, 'Pad');
    const pads = pad === undefined ? Array<number>(8).fill(0) : this.b.numbers(pad.input[1]);
    if (pads?.length !== 8) return undefined;
    return {
      x: pad?.input[0] ?? frame,
      g,
      kernel,
      strides: last.strides,
      dilations,
      pads: [...pads.slice(2, 4), ...pads.slice(6)],
    };
  }

  /** A product of images with channels as rows: of the cotangent, and of the input's transposed. */
  #matchPointwise(product: NodeProto): (Convolution & { x: Value; g: Value }) | undefined {
    if (intAttribute(product, 'transB', 0) !== 1) return undefined;
    const [g, x] = product.input.map((rows) => {
      const exchanged = this.#producer(rows, 'Reshape')?.input[0];
      return exchanged === undefined ? undefined : this.#swapped(exchanged);
    });
    if (g === undefined || x === undefined || product.input.length > 2) return undefined;
    if (this.#sizes(x)?.length !== 4 || !this.#blocked.has(g)) return undefined;
    return { x, g, kernel: [1, 1], strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0] };
  }

  #matchTap(
    value: Value,
  ): { rows: Value; source: Value; start: readonly number[]; strides: readonly number[] } | undefined {
    const product = this.#producer(this.#producer(value, 'Unsqueeze')?.input[0], 'Gemm');
    if (product === undefined || intAttribute(product, 'transB', 0) !== 1) return undefined;
    const rows = this.#producer(product.input[0], 'Reshape')?.input[0];
    let source = this.#producer(product.input[1], 'Reshape')?.input[0];
    if (rows === undefined || source === undefined) return undefined;
    const start = [0, 0];
    const strides = [1, 1];
    for (let slice = this.#producer(source, 'Slice'); slice; slice = this.#producer(source, 'Slice')) {
      const [from, axis, step] = [1, 3, 4].map((index) => this.b.numbers(slice.input[index])?.[0]);
      if (from === undefined || axis === undefined || step === undefined) return undefined;
      start[axis - 2] = from;
      strides[axis - 2] = step;
      source = slice.input[0]!;
    }
    return { rows, source, start, strides };
  }

  /** The value whose first two axes are exchanged in the given one. */
  #swapped(value: Value): Value | undefined {
    const node = this.#producer(value, 'Transpose');
    return intsAttribute(node ?? makeNode('', [], []), 'perm')?.join() === '1,0,2,3'
      ? node!.input[0]
      : undefined;
  }

  #producer(value: Value | undefined, operator: string): NodeProto | undefined {
    const node = this.#producers.get(value ?? '');
    return node !== undefined && operatorOf(node) === operator ? node : undefined;
  }

  #sizes(value: Value): readonly number[] | undefined {
    const shape = this.b.graph.types.get(value)?.shape;
    return shape?.every((size) => typeof size === 'number') ? shape : undefined;
  }

  /** The next multiple of the block size. */
  #up(count: number): number {
    return Math.ceil(count / this.#block) * this.#block;
  }

  /** The value with zeros behind it along each axis. */
  #extend(value: Value, more: readonly number[]): Value {
    if (more.every((each) => each === 0)) return value;
    return this.b.op('Pad', [value, this.b.ints([...more.map(() => 0), ...more]), this.b.scalar(0, value)]);
  }
}
