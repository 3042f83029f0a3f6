import { OptionError } from '../errors.js';
import type { Model } from '../onnx/file/model.js';
import { checkChoice, checkKnown } from '../options.js';
import { prepare } from '../onnx/graph/prepare.js';
import { assemble, inputNames, targetName } from './assemble.js';
import { Builder } from '../onnx/graph/builder.js';
import { pullBack } from './reverse.js';

/** Options of {@link vjp}. */
export interface VjpOptions {
  /** The value y that is differentiated: an output or an inner value. Default: the first output. */
  readonly of?: string | undefined;
  /** The inputs x that it is differentiated with respect to. */
  readonly wrt: string | readonly string[];
  /** Name of the new input v, in the shape of y. Default "cotangent". */
  readonly cotangent?: string | undefined;
  /**
   * "dot" gives, instead of the product J^T v, its inner product with v per sample (for y in the shape of x): with a
   * random probe v, Hutchinson's estimate of the trace of J.
   */
  readonly reduce?: 'dot' | undefined;
}

/**
 * Vector-Jacobian product: a model with the original's outputs and, for each x, the output `vjp.<x>` = J^T v in the
 * shape of x; with `reduce: 'dot'` the output `dot.<x>` = v . J^T v, one number per sample.
 *
 * The derived model has standard operators only and runs wherever the original does.
 *
 * @throws OptionError for a name that is not an input; ModelError that lists every node without a derivative.
 */
export async function vjp(model: Model, options: VjpOptions): Promise<Model> {
  return derive(model, options, undefined);
}

/**
 * The same with operators of fastsde's own sessions, which is faster; for sessions of this process, and for no file.
 * @throws as {@link vjp}.
 */
export async function fusedVjp(model: Model, options: VjpOptions): Promise<Model> {
  return derive(model, options, 'fused');
}

async function derive(model: Model, options: VjpOptions, form: 'fused' | undefined): Promise<Model> {
  checkKnown(options, ['of', 'wrt', 'cotangent', 'reduce']);
  const { cotangent = 'cotangent', reduce } = options;
  if (reduce !== undefined) checkChoice('reduce', reduce, ['dot']);
  const of = targetName(model, options.of);
  const wrt = inputNames(model, 'wrt', options.wrt);
  if (model.inputs.some(({ name }) => name === cotangent)) {
    throw new OptionError('cotangent', cotangent, 'a name that no input of the model has');
  }
  const graph = await prepare(model, { keep: [of], form });
  const b = new Builder(graph);
  const shape = b.shape(of);
  const gradients = pullBack(b, new Map([[of, cotangent]]), wrt);
  const outputs = new Map(
    wrt.map((name) => {
      const value = gradients.get(name) ?? b.zeros(name);
      const type = graph.types.get(name)!;
      if (reduce === undefined) return [`vjp.${name}`, { value, type }];
      const axes = Array.from({ length: shape.length - 1 }, (_, axis) => axis + 1);
      const product = b.sum(b.mul(cotangent, value), axes, false);
      return [`dot.${name}`, { value: product, type: { type: type.type, shape: [shape[0]!] } }];
    }),
  );
  return assemble(model, b, {
    inputs: new Map([[cotangent, { type: b.type(of), shape }]]),
    outputs,
    description: { kind: 'vjp', of, wrt, cotangent, reduce },
  });
}
