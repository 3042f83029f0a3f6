import { OptionError } from '../errors.js';
import type { Model } from '../onnx/file/model.js';
import { checkKnown } from '../options.js';
import { prepare } from '../onnx/graph/prepare.js';
import { assemble, inputNames, targetName } from './assemble.js';
import { Builder } from '../onnx/graph/builder.js';
import { appendLogProbability } from './loss.js';
import { pullBack } from './reverse.js';

/** Options of {@link grad}. */
export interface GradOptions {
  /** The value that is differentiated: a scalar, or one number per sample. Default: the first output. */
  readonly of?: string | undefined;
  /** The inputs that it is differentiated with respect to. */
  readonly wrt: string | readonly string[];
  /**
   * Name of an int64 input [N] (of the model, or new): `of` is then logits [N, K], or the
   * probabilities that a Softmax made of them, and the value that is
   * differentiated is log p(label | x), which the derived model gives as the output "log-probability" [N].
   */
  readonly labels?: string | undefined;
}

/**
 * Gradient of a number per sample: a model with the original's outputs and, for each x, the output `grad.<x>` in the
 * shape of x. Since samples do not mix, the gradient of the sum over the batch is each sample's own gradient.
 *
 * @throws OptionError for a name that is not an input; ModelError that lists every node without a derivative.
 */
export async function grad(model: Model, options: GradOptions): Promise<Model> {
  checkKnown(options, ['of', 'wrt', 'labels']);
  const wrt = inputNames(model, 'wrt', options.wrt);
  const { labels } = options;
  const of = labels === undefined ? targetName(model, options.of) : 'log-probability';
  const graph = await prepare(
    model,
    labels === undefined
      ? { keep: [of] }
      : { extend: (simple, types) => appendLogProbability(simple, types, options.of, labels) },
  );
  const b = new Builder(graph);
  const shape = b.shape(of);
  if (shape.slice(1).some((size) => size !== 1))
    throw new OptionError('of', of, `one number per sample; "${of}" has shape [${shape.join(', ')}]`);
  const ones = b.op('Expand', [b.scalar(1, of), b.shapeOf(of)]);
  const gradients = pullBack(b, new Map([[of, ones]]), wrt);
  return assemble(model, b, {
    inputs: new Map(),
    outputs: new Map(
      wrt.map((name) => [
        `grad.${name}`,
        { value: gradients.get(name) ?? b.zeros(name), type: graph.types.get(name)! },
      ]),
    ),
    description: { kind: 'grad', of, wrt },
  });
}
