import type { Builder, Value } from '../graph/builder.js';
import { GROUP_NORMALIZATION, GROUP_NORMALIZATION_GRADIENT, SILU, SILU_GRADIENT } from '../graph/fuse.js';
import { intAttribute, makeNode, operatorOf } from '../graph/graph.js';
import type { NodeProto } from '../file/proto.js';

/** Operators that are internal to ONNX Runtime's CPU provider. */
export const REORDER_INPUT = 'com.microsoft.nchwc:ReorderInput';
export const REORDER_OUTPUT = 'com.microsoft.nchwc:ReorderOutput';
export const BLOCKED_CONV = 'com.microsoft.nchwc:Conv';
const BLOCKED_MEAN = 'com.microsoft.nchwc:GlobalAveragePool';

/** Operators of one input, and of several, whose elements do not care where they lie. */
const POINTWISE = new Set([
  ...'Sigmoid Tanh Relu Neg Erf Exp Softplus Elu Gelu Abs Sqrt Reciprocal'.split(' '),
  SILU,
]);
const ARITHMETIC = new Set([...'Add Sub Mul Div Sum'.split(' '), SILU_GRADIENT]);
const NORMALIZATIONS = new Map([
  [GROUP_NORMALIZATION, 1],
  [GROUP_NORMALIZATION_GRADIENT, 2],
]);
const REDUCTIONS = new Set('ReduceSum ReduceMean ReduceSumSquare'.split(' '));

/** factor * value, with a factor for each channel, or for each sample and channel. */
interface Scaled {
  readonly value: Value;
  readonly factor: Value;
}

/** A sum of images [N, C, h, w], of images by a factor each, and of numbers per channel. */
interface Combination {
  readonly images: Value[];
  readonly scaled: Scaled[];
  readonly offsets: Value[];
}

/**
 * Images [N, C, h, w] in blocks: [N, C/b, h, w, b], under the shape that they have. Operators on the way from one convolution
 * to the next work on them as they lie, so that few are brought back into order. Factors and offsets of channels are
 * convolutions with one weight per channel, which is a single pass where Mul and Add are two; means over positions are
 * pooling.
 */
export class BlockedValues {
  readonly #b: Builder;
  readonly #block: number;
  readonly #producers: ReadonlyMap<Value, NodeProto>;
  readonly #uses = new Map<Value, number>();
  readonly #blocked = new Map<Value, Value>();

  constructor(b: Builder, block: number, producers: ReadonlyMap<Value, NodeProto>) {
    this.#b = b;
    this.#block = block;
    this.#producers = producers;
    for (const name of b.graph.nodes.flatMap(({ input }) => input))
      this.#uses.set(name, (this.#uses.get(name) ?? 0) + 1);
  }

  /** A value in blocks; channels that fill no block are followed by zeros. */
  of(value: Value): Value {
    return this.#blocked.get(value) ?? this.#b.op(REORDER_INPUT, [value]);
  }

  /** Whether a value is computed in blocks. */
  has(value: Value): boolean {
    return this.#blocked.has(value);
  }

  /** Says that a value of the graph is computed in blocks, and writes it in order for those that want it so. */
  set(value: Value, blocked: Value): void {
    const channels = this.#sizes(value)![1]!;
    if (channels % this.#block === 0) this.#blocked.set(value, blocked);
    this.#b.nodes.push(makeNode(REORDER_OUTPUT, [blocked], [value], { channels }));
  }

  /** Computes a node from what is in blocks; false leaves it as it is. */
  rewrite(node: NodeProto): boolean {
    const operator = operatorOf(node);
    if (POINTWISE.has(operator)) return this.#pointwise(node);
    if (ARITHMETIC.has(operator)) return this.#arithmetic(node);
    if (REDUCTIONS.has(operator)) return this.#reduction(node);
    const images = NORMALIZATIONS.get(operator);
    if (images !== undefined) return this.#normalization(node, images);
    return (operator === 'Concat' || operator === 'Split') && this.#channels(node);
  }

  #pointwise(node: NodeProto): boolean {
    const [x] = node.input as [Value];
    if (node.input.length !== 1 || !this.#blocked.has(x)) return false;
    this.set(node.output[0]!, this.#b.copy(node, [this.of(x)])[0]!);
    return true;
  }

  #arithmetic(node: NodeProto): boolean {
    const operator = operatorOf(node);
    const [y] = node.output as [Value];
    if (!this.#isImage(y)) return false;
    if (operator === 'Add' || operator === 'Sum') {
      const sum: Combination = { images: [], scaled: [], offsets: [] };
      return this.#collect(node, y, sum) && this.#combine(sum, y);
    }
    const scaled = operator === 'Mul' ? this.#scaled(node, y) : undefined;
    if (scaled) return this.#combine({ images: [], scaled: [scaled], offsets: [] }, y);
    const images = node.input.filter((name) => this.#isLike(name, y));
    const others = node.input.filter((name) => !images.includes(name));
    if (!images.some((name) => this.#blocked.has(name)) || !others.every((name) => this.#isNumber(name))) {
      return false;
    }
    const operands = node.input.map((name) => (images.includes(name) ? this.of(name) : name));
    this.set(y, this.#b.copy(node, operands)[0]!);
    return true;
  }

  /** Adds the terms of a sum, and of sums that only it reads, to a combination; false where one of them is something else. */
  #collect(node: NodeProto, y: Value, sum: Combination): boolean {
    return node.input.every((name) => {
      const term = this.#uses.get(name) === 1 ? this.#producers.get(name) : undefined;
      const operator = term === undefined ? '' : operatorOf(term);
      if (this.#isPerChannel(name, y)) sum.offsets.push(name);
      else if (!this.#isLike(name, y)) return false;
      else if (operator === 'Expand' && this.#isPerChannel(term!.input[0]!, y))
        sum.offsets.push(term!.input[0]!);
      else if (operator === 'Add' || operator === 'Sum') return this.#collect(term!, y, sum);
      else {
        const scaled = operator === 'Mul' ? this.#scaled(term!, y) : undefined;
        if (scaled) sum.scaled.push(scaled);
        else sum.images.push(name);
      }
      return true;
    });
  }

  /** A product of an image and a factor per channel. */
  #scaled(node: NodeProto, y: Value): Scaled | undefined {
    const [left, right] = node.input as [Value, Value];
    if (this.#isLike(left, y) && this.#isPerChannel(right, y)) return { value: left, factor: right };
    if (this.#isLike(right, y) && this.#isPerChannel(left, y)) return { value: right, factor: left };
    return undefined;
  }

  #combine({ images, scaled, offsets }: Combination, y: Value): boolean {
    const b = this.#b;
    const sources = [...images, ...scaled.map(({ value }) => value)];
    if (!sources.some((name) => this.#blocked.has(name))) return false;
    const first = images[0];
    if (scaled.length === 0 && offsets.length > 0 && first !== undefined) {
      return this.#combine(
        { images: images.slice(1), scaled: [{ value: first, factor: b.scalar(1, y) }], offsets },
        y,
      );
    }
    let offset = offsets.length === 0 ? undefined : b.add(offsets.map((name) => this.#perSample(name, y)));
    let sum = images.length === 0 ? undefined : b.add(images.map((name) => this.of(name)));
    for (const { value, factor } of scaled) {
      sum = this.#affine(this.of(value), this.#perSample(factor, y), offset, sum, y);
      offset = undefined;
    }
    this.set(y, sum!);
    return true;
  }

  /** factor * value + offset + sum in one pass: a convolution with one weight per channel, samples being channels too. */
  #affine(value: Value, factor: Value, offset: Value | undefined, sum: Value | undefined, y: Value): Value {
    const b = this.#b;
    const [batch, channels, height, width] = this.#sizes(y) as [number, number, number, number];
    const count = batch * channels;
    const flat = (image: Value): Value => b.reshape(image, [1, count, height, width]);
    const product = b.op(
      BLOCKED_CONV,
      [
        flat(value),
        b.reshape(factor, [count, 1, 1, 1]),
        offset && b.reshape(offset, [count]),
        sum && flat(sum),
      ],
      { kernel_shape: [1, 1], strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0], group: count },
    );
    return b.reshape(product, [batch, channels, height, width]);
  }

  /** One number, or one per channel, as [N, C, 1, 1]. */
  #perSample(value: Value, y: Value): Value {
    const [batch, channels] = this.#sizes(y) as [number, number];
    const size = this.#sizes(value);
    if (size?.length === 4 && size[0] === batch) return value;
    return this.#b.op('Expand', [value, this.#b.ints([batch, channels, 1, 1])]);
  }

  /** Sums and means over positions, or over positions and samples. */
  #reduction(node: NodeProto): boolean {
    const b = this.#b;
    const [x] = node.input as [Value];
    const [y] = node.output as [Value];
    const axes = b.numbers(node.input[1])?.join();
    if (!this.#blocked.has(x) || (axes !== '2,3' && axes !== '0,2,3')) return false;
    const operator = operatorOf(node);
    const [batch, channels, height, width] = this.#sizes(x) as [number, number, number, number];
    const image = this.of(x);
    const pooled = b.op(BLOCKED_MEAN, [operator === 'ReduceSumSquare' ? b.mul(image, image) : image]);
    // Without the axes of size 1, with which arithmetic is slow.
    const means = b.reshape(pooled, [batch, channels]);
    const isMean = operator === 'ReduceMean';
    const bySample = axes === '2,3';
    const sums = bySample
      ? means
      : b.op(isMean ? 'ReduceMean' : 'ReduceSum', [means, b.ints([0])], { keepdims: 0 });
    const scaled = isMean ? sums : b.mul(sums, b.constant('float32', [], [height * width]));
    const size = bySample ? [batch, channels] : [channels];
    const kept = intAttribute(node, 'keepdims', 1) === 1;
    const shape = kept ? [bySample ? batch : 1, channels, 1, 1] : size;
    b.nodes.push(makeNode('Reshape', [scaled, b.ints(shape)], [y]));
    return true;
  }

  /** A group normalisation, or its gradient, whose first inputs and first output are images. */
  #normalization(node: NodeProto, images: number): boolean {
    const [y, ...others] = node.output as [Value, ...Value[]];
    const given = node.input.slice(0, images);
    if (!this.#isImage(y) || !given.some((name) => this.#blocked.has(name))) return false;
    const attribute = node.attribute.map((each) =>
      each.name === 'block' ? { ...each, i: BigInt(this.#block) } : each,
    );
    const operands = [...given.map((name) => this.of(name)), ...node.input.slice(images)];
    const [blocked, ...rest] = this.#b.copy({ ...node, attribute }, operands) as [Value, ...Value[]];
    rest.forEach((value, index) => {
      this.#b.rename(value, others[index]!);
    });
    this.set(y, blocked);
    return true;
  }

  /** Channels put together, or taken apart, at the edges of blocks. */
  #channels(node: NodeProto): boolean {
    const images = node.input.filter((name) => this.#sizes(name)?.length === 4);
    const isWhole = [...images, ...node.output].every((name) => this.#isImage(name));
    if (!isWhole || intAttribute(node, 'axis', 0) !== 1) return false;
    if (!images.some((name) => this.#blocked.has(name))) return false;
    const operands = node.input.map((name) => (images.includes(name) ? this.of(name) : name));
    this.#b.copy(node, operands).forEach((part, index) => {
      this.set(node.output[index]!, part);
    });
    return true;
  }

  /** Whether a value is [N, C, h, w] with whole blocks of channels. */
  #isImage(value: Value): boolean {
    const size = this.#sizes(value);
    return size?.length === 4 && size[1]! % this.#block === 0 && this.#b.type(value) === 'float32';
  }

  #isLike(value: Value, image: Value): boolean {
    return this.#sizes(value)?.join() === this.#sizes(image)!.join();
  }

  #isNumber(value: Value): boolean {
    return this.#sizes(value)?.every((size) => size === 1) === true;
  }

  #isPerChannel(value: Value, image: Value): boolean {
    const [batch, channels] = this.#sizes(image)!;
    const size = this.#sizes(value)?.join();
    return [`${channels},1,1`, `1,${channels},1,1`, `${batch},${channels},1,1`].includes(size ?? '');
  }

  #sizes(value: Value): readonly number[] | undefined {
    const shape = this.#b.graph.types.get(value)?.shape;
    return shape?.every((size) => typeof size === 'number') ? shape : undefined;
  }
}
