import { ModelError } from '../errors.js';
import type { Dim } from '../onnx/graph/graph.js';
import { modelBytes, type Model, type TensorInfo } from '../onnx/file/model.js';
import { checkKnown } from '../options.js';
import { createSession, type Session, type Tensor } from '../onnx/run/runtime.js';
import { elementCount } from '../shape.js';
import { AUTODIFF_KEY } from './assemble.js';

/** A derivative along a random direction, against a central difference in single precision. */
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
  // v' J v needs the direction of the input to be the cotangent itself.
  const direction = new Map(
    wrt.map((name) => [name, reduce === undefined ? normalLike(feeds[name]!, random) : feeds[cotangent!]!]),
  );
  const all = { ...feeds };
  wrt.forEach((name, index) => {
    if (tangents) all[tangents[index]!] = direction.get(name)!;
  });
  const result = await session.run(all);
  const target = Array.isArray(of) ? of[0]! : of;
  const weights = kind === 'vjp' ? all[cotangent!]! : onesLike(result[target]!);
  let derivative = 0;
  // |gradient| where there is one: that of a product with a normal direction is as large in the root mean square.
  let squares = 0;
  if (kind === 'jvp') derivative = dot(weights, result[`jvp.${target}`]!);
  for (const name of kind === 'jvp' ? [] : wrt) {
    const product = result[`${reduce === undefined ? (kind === 'vjp' ? kind : 'grad') : 'dot'}.${name}`]!;
    derivative += dot(reduce === undefined ? direction.get(name)! : onesLike(product), product);
    if (reduce === undefined) squares += dot(product, product);
  }

  let best: DirectionCheck | undefined;
  for (const step of [1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 3e-4]) {
    const at = async (h: number): Promise<Tensor> => {
      const moved = Object.fromEntries(wrt.map((name) => [name, move(all[name]!, h, direction.get(name)!)]));
      const values = await session.run({ ...all, ...moved }, [target]);
      return values[target]!;
    };
    const [ahead, behind] = [await at(step), await at(-step)];
    const slope = move(ahead, -1, behind);
    const difference = dot(weights, slope) / (2 * step);
    // Two vectors without relation have an inner product of about this size; a smaller one is cancellation.
    const typical = Math.sqrt((dot(weights, weights) * dot(slope, slope)) / slope.data.length) / (2 * step);
    const size = Math.max(Math.abs(derivative), Math.sqrt(squares), typical, 1e-30);
    const error = Math.abs(derivative - difference) / size;
    if (best === undefined || error < best.error) best = { derivative, difference, step, error };
  }
  return best!;
}

function dot(a: Tensor, b: Tensor): number {
  let sum = 0;
  for (let index = 0; index < a.data.length; index++) sum += Number(a.data[index]) * Number(b.data[index]);
  return sum;
}

function move(x: Tensor, step: number, direction: Tensor): Tensor {
  return {
    dims: x.dims,
    data: Float32Array.from(
      x.data as Float32Array,
      (value, index) => value + step * Number(direction.data[index]),
    ),
  };
}

function onesLike({ dims, data }: Tensor): Tensor {
  return { dims, data: new Float32Array(data.length).fill(1) };
}

function normalLike({ dims, data }: Tensor, random: () => number): Tensor {
  return { dims, data: Float32Array.from({ length: data.length }, random) };
}

function randomTensor({ name, type, shape }: TensorInfo, random: () => number, size: number): Tensor {
  if (shape === undefined)
    throw new ModelError(`The rank of the input "${name}" is not known; feed it a value.`);
  const dims = shape.map((each: Dim) => (typeof each === 'number' ? each : size));
  const length = elementCount(dims);
  if (type === 'int64') return { dims, data: new BigInt64Array(length) };
  if (type === 'int32') return { dims, data: new Int32Array(length) };
  if (type !== 'float32') throw new ModelError(`The input "${name}" has type ${type}; feed it a value.`);
  // One number per sample is a time, a noise level or a weight: positive, and not far from 1.
  const positive = (): number => 0.5 + 0.4 * Math.tanh(random());
  return { dims, data: Float32Array.from({ length }, dims.length === 1 ? positive : random) };
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
