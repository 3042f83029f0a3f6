import { ancestors, operatorOf, sortNodes } from '../onnx/graph/graph.js';
import { functionKey } from '../onnx/file/functions.js';
import type { Model } from '../onnx/file/model.js';
import type { FunctionProto, NodeProto } from '../onnx/file/proto.js';
import { checkKnown } from '../options.js';
import { activeValues } from './activity.js';
import { inputNames } from './assemble.js';
import { refusalOf } from './refusal.js';
import { isConstant, ruleOf } from './registry.js';

/** Options of {@link support}. */
export interface SupportOptions {
  /** Default: the first output. */
  readonly of?: string | undefined;
  /** Default: all floating-point inputs. */
  readonly wrt?: string | readonly string[] | undefined;
}

/** A node without a rule; a node in a local function has the function in its path. */
export interface Unsupported {
  readonly operator: string;
  readonly node: string;
  readonly path: readonly string[];
  /** What it is that has no derivative, where that is known, and what to do. */
  readonly refusal?: string;
}

/** What a derivative would lack. */
export interface Support {
  /** Whether nothing is missing. */
  readonly ok: boolean;
  /** What has no derivative, and where it is. */
  readonly missing: readonly Unsupported[];
}

/** Operators that preparation rewrites into operators with a rule. */
const LOWERED: ReadonlySet<string> = new Set([
  'Attention',
  'GroupNormalization',
  'InstanceNormalization',
  'RMSNormalization',
  'RotaryEmbedding',
]);

/**
 * Which nodes between the inputs and an output lack a rule in reverse mode, found without running anything. A rule may
 * still refuse an attribute or a size known at run time only; the transform then says so.
 * @throws ModelError for a graph that is not well formed; OptionError for a name that is not an input.
 */
export function support(model: Model, options: SupportOptions = {}): Support {
  checkKnown(options, ['of', 'wrt']);
  const { graph } = model.proto;
  const floats = model.inputs.filter(({ type }) => type.startsWith('float')).map(({ name }) => name);
  const wrt = options.wrt === undefined ? floats : inputNames(model, 'wrt', options.wrt);
  const of = options.of ?? model.outputs[0]?.name ?? '';
  const integers = new Set(
    model.inputs.filter(({ type }) => !type.startsWith('float')).map(({ name }) => name),
  );
  const functions = new Map(model.proto.functions.map((each) => [functionKey(each.domain, each.name), each]));
  const missing = unsupported(sortNodes(graph), wrt, [of], functions, [], integers);
  return { ok: missing.length === 0, missing };
}

function unsupported(
  all: readonly NodeProto[],
  sources: readonly string[],
  targets: readonly string[],
  functions: ReadonlyMap<string, FunctionProto>,
  path: readonly string[],
  integers: ReadonlySet<string>,
): Unsupported[] {
  const nodes = ancestors(all, targets);
  const active = activeValues(nodes, sources, (name) => !integers.has(name));
  return nodes.flatMap((node) => {
    if (isConstant(node) || !node.output.some((name) => active.has(name))) return [];
    const name = node.name === undefined || node.name === '' ? (node.output[0] ?? '') : node.name;
    const body = functions.get(functionKey(node.domain, node.op_type));
    if (body !== undefined) {
      const moving = body.input.filter((_, index) => active.has(node.input[index] ?? ''));
      return unsupported(body.node, moving, body.output, functions, [...path, name], new Set());
    }
    const refusal = refusalOf(node);
    if (refusal === undefined && (ruleOf(node)?.vjp !== undefined || LOWERED.has(operatorOf(node))))
      return [];
    return [{ operator: operatorOf(node), node: name, path, ...(refusal !== undefined && { refusal }) }];
  });
}
