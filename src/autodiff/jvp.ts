import { OptionError } from '../errors.js';
import type { Model } from '../onnx/file/model.js';
import { checkKnown } from '../options.js';
import { prepare } from '../onnx/graph/prepare.js';
import { assemble, inputNames, names, targetName } from './assemble.js';
import { Builder } from '../onnx/graph/builder.js';
import { pushForward } from './forward.js';

/** Options of {@link jvp}. */
export interface JvpOptions {
  /** The values that are differentiated. Default: the first output. */
  readonly of?: string | readonly string[] | undefined;
  /** The inputs that move. */
  readonly wrt: string | readonly string[];
  /** Names of the new inputs that say how, in the shape of each x. Default `tangent.<x>`; "tangent" for a single x. */
  readonly tangent?: string | readonly string[] | undefined;
}

/**
 * Jacobian-vector product: a model with the original's outputs and, for each y, the output `jvp.<y>`, the derivative of
 * y as the inputs x move along their tangents.
 *
 * @throws OptionError for a name that is not an input; ModelError that lists every node without a derivative.
 */
export async function jvp(model: Model, options: JvpOptions): Promise<Model> {
  checkKnown(options, ['of', 'wrt', 'tangent']);
  const of = options.of === undefined ? [targetName(model, undefined)] : names('of', options.of);
  const wrt = inputNames(model, 'wrt', options.wrt);
  const defaults = wrt.length === 1 ? ['tangent'] : wrt.map((name) => `tangent.${name}`);
  const tangents = options.tangent === undefined ? defaults : names('tangent', options.tangent);
  if (tangents.length !== wrt.length || model.inputs.some(({ name }) => tangents.includes(name))) {
    throw new OptionError('tangent', options.tangent, `${wrt.length} names that no input of the model has`);
  }
  const graph = await prepare(model, { keep: of });
  const b = new Builder(graph);
  const results = pushForward(b, new Map(wrt.map((name, index) => [name, tangents[index]!])), of);
  return assemble(model, b, {
    inputs: new Map(wrt.map((name, index) => [tangents[index]!, graph.types.get(name)!])),
    outputs: new Map(
      [...results].map(([name, value]) => [`jvp.${name}`, { value, type: graph.types.get(name)! }]),
    ),
    description: { kind: 'jvp', of, wrt, tangents },
  });
}
