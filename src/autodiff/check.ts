import { ModelError } from '../errors.js';
import type { Dim } from '../onnx/graph/graph.js';
import { modelBytes, type Model, type TensorInfo } from '../onnx/file/model.js';
import { checkKnown } from '../options.js';
import { fromHalf, toFloat16 } from '../io/float16.js';
import { createSession, type Session, type Tensor } from '../onnx/run/runtime.js';
import { elementCount } from '../shape.js';
import { AUTODIFF_KEY } from './assemble.js';

/** A derivative along a random direction, against a central difference in the precision of the network. */
export interface DirectionCheck {
  /** What the derived model says, as a single number. */
  readonly derivative: number;
  /** (f(x + h u) - f(x - h u)) / 2h for the best of several h. */
  readonly difference: number;
  /** The step h of that difference. */
  readonly step: number;
  /** |derivative - difference|, relative to the derivative or, where that cancels, to its root mean square over directions. */
  readonly error: number;
}

/** Options of {@link checkDerivative}. */
export interface CheckOptions {
  /** Values of inputs; the others are random: uniform in [0.1, 0.9] for one number per sample, else normal. */
  readonly feeds?: Readonly<Record<string, Tensor>> | undefined;
  /** Default 3. */
  readonly directions?: number | undefined;
  /** Size of every dimension that the model leaves open. Default 2. */
  readonly size?: number | undefined;
  /** Default 0. */
  readonly seed?: number | undefined;
}

interface DerivativeDescription {
  kind: 'vjp' | 'jvp' | 'grad' | 'train';
  of: string | string[];
  wrt: string[];
  cotangent?: string;
  tangents?: string[];
  reduce?: string;
}

/**
 * Compares a derived model with differences of its own primal outputs.
 * @throws ModelError for a model that vjp, jvp, grad or trainingGraph did not make.
 */
export async function checkDerivative(model: Model, options: CheckOptions = {}): Promise<DirectionCheck[]> {
  checkKnown(options, ['feeds', 'directions', 'size', 'seed']);
  const text = model.metadata.get(AUTODIFF_KEY);
  if (text === undefined)
    throw new ModelError(`The model has no ${AUTODIFF_KEY} metadata, so there is nothing to check.`);
  const description = JSON.parse(text) as DerivativeDescription;
  const random = normals(options.seed ?? 0);
  const feeds = { ...options.feeds };
  for (const input of model.inputs) feeds[input.name] ??= randomTensor(input, random, options.size ?? 2);
  const session = await createSession(
    modelBytes(model),
    model.folder === undefined ? {} : { folder: model.folder },
  );
  try {
    const checks: DirectionCheck[] = [];
    for (let k = 0; k < (options.directions ?? 3); k++) {
      checks.push(await checkDirection(session, description, feeds, random));
    }
    return checks;
  } finally {
    await session.release();
  }
}

async function checkDirection(
  session: Session,
  { kind, of, wrt, cotangent, tangents, reduce }: DerivativeDescription,
  feeds: Readonly<Record<string, Tensor>>,
  random: () => number,
): Promise<DirectionCheck> {
  // What is fed is rounded to the type of the input. v' J v needs the direction of the input to be the cotangent itself.
  const directions = wrt.map((name) => {
    const like = feeds[name]!;
    return reduce === undefined
      ? tensorLike(like, Float64Array.from({ length: like.data.length }, random))
      : feeds[cotangent!]!;
  });
  const all = { ...feeds };
  wrt.forEach((_, index) => {
    if (tangents) all[tangents[index]!] = directions[index]!;
  });
  const result = await session.run(all);
  const target = Array.isArray(of) ? of[0]! : of;
  const weights = kind === 'vjp' ? numbersOf(all[cotangent!]!) : numbersOf(result[target]!).fill(1);
  let derivative = 0;
  // |gradient| where there is one: that of a product with a normal direction is as large in the root mean square.
  let squares = 0;
  if (kind === 'jvp') derivative = dot(weights, numbersOf(result[`jvp.${target}`]!));
  else {
    for (const [index, name] of wrt.entries()) {
      const product = numbersOf(
        result[`${reduce === undefined ? (kind === 'vjp' ? kind : 'grad') : 'dot'}.${name}`]!,
      );
      derivative += reduce === undefined ? dot(numbersOf(directions[index]!), product) : sum(product);
      if (reduce === undefined) squares += dot(product, product);
    }
  }

  let best: DirectionCheck | undefined;
  for (const step of [1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 3e-4]) {
    const at = async (h: number): Promise<Numbers> => {
      const inputs = wrt.map((name, index) => {
        const numbers = moved(numbersOf(all[name]!), h, numbersOf(directions[index]!));
        return [name, tensorLike(all[name]!, numbers)] as const;
      });
      const values = await session.run({ ...all, ...Object.fromEntries(inputs) }, [target]);
      return numbersOf(values[target]!);
    };
    const slope = moved(await at(step), -1, await at(-step));
    const difference = dot(weights, slope) / (2 * step);
    // Two vectors without relation have an inner product of about this size; a smaller one is cancellation.
    const typical = Math.sqrt((dot(weights, weights) * dot(slope, slope)) / slope.length) / (2 * step);
    const size = Math.max(Math.abs(derivative), Math.sqrt(squares), typical, 1e-30);
    const error = Math.abs(derivative - difference) / size;
    if (best === undefined || error < best.error) best = { derivative, difference, step, error };
  }
  return best!;
}

function sum(values: Numbers): number {
  return values.reduce((total, value) => total + value, 0);
}

function dot(a: Numbers, b: Numbers): number {
  let sum = 0;
  for (let index = 0; index < a.length; index++) sum += a[index]! * b[index]!;
  return sum;
}

/** The elements of a tensor in double precision. */
type Numbers = Float64Array;

function numbersOf({ data }: Tensor): Numbers {
  if (!(data instanceof Uint16Array)) return Float64Array.from(data as Float32Array, Number);
  return Float64Array.from(data, fromHalf);
}

/** Numbers in the type and shape of a tensor. */
function tensorLike({ dims, data }: Tensor, numbers: Numbers): Tensor {
  if (data instanceof Float64Array) return { dims, data: numbers };
  const singles = Float32Array.from(numbers);
  if (!(data instanceof Uint16Array)) return { dims, data: singles };
  const halves = new Uint16Array(numbers.length);
  toFloat16(singles, halves);
  return { dims, data: halves };
}

function moved(x: Numbers, step: number, direction: Numbers): Numbers {
  return x.map((value, index) => value + step * direction[index]!);
}

function randomTensor({ name, type, shape }: TensorInfo, random: () => number, size: number): Tensor {
  if (shape === undefined)
    throw new ModelError(`The rank of the input "${name}" is not known; feed it a value.`);
  const dims = shape.map((each: Dim) => (typeof each === 'number' ? each : size));
  const length = elementCount(dims);
  // One number per sample is a time, a noise level or a weight: positive, and not far from 1.
  const positive = (): number => 0.5 + 0.4 * Math.tanh(random());
  const numbers = (): Numbers => Float64Array.from({ length }, dims.length === 1 ? positive : random);
  switch (type) {
    case 'int64':
      return { dims, data: new BigInt64Array(length) };
    case 'int32':
      return { dims, data: new Int32Array(length) };
    case 'bool':
      return { dims, data: new Uint8Array(length).fill(1) };
    case 'float32':
      return tensorLike({ dims, data: new Float32Array(0) }, numbers());
    case 'float64':
      return { dims, data: numbers() };
    case 'float16':
      return tensorLike({ dims, data: new Uint16Array(0) }, numbers());
    default:
      throw new ModelError(`The input "${name}" has type ${type}; feed it a value.`);
  }
}

/** Normal numbers from Mulberry32 and Box-Muller; enough for a test, and the same on every machine. */
function normals(seed: number): () => number {
  let state = seed;
  const uniform = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let z = Math.imul(state ^ (state >>> 15), 1 | state);
    z = (z + Math.imul(z ^ (z >>> 7), 61 | z)) ^ z;
    return (((z ^ (z >>> 14)) >>> 0) + 0.5) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
}
