import type { NodeProto } from '../onnx/file/proto.js';
import type { Builder, Value } from '../onnx/graph/builder.js';

/**
 * Cotangents of a node's inputs from those of its outputs (undefined where an output does not matter).
 * Only the inputs that `needs` marks are asked for; undefined for one of those means "no derivative" and is an error.
 */
export type VjpRule = (
  b: Builder,
  node: NodeProto,
  cotangents: readonly (Value | undefined)[],
  needs: readonly boolean[],
) => (Value | undefined)[];

/** Tangents of a node's outputs from those of its inputs (undefined where an input does not move). */
export type JvpRule = (
  b: Builder,
  node: NodeProto,
  tangents: readonly (Value | undefined)[],
) => (Value | undefined)[];

/** The derivative of an operator in either direction. */
export interface Rule {
  readonly vjp?: VjpRule;
  readonly jvp?: JvpRule;
}

/** Rules by operator, "domain:operator" outside the standard operator set. */
export type RuleTable = Readonly<Record<string, Rule>>;

/** A linear map as a program that writes it. */
export type Linear = (value: Value) => Value;

/** A rule for an operator that is linear in its first input and does not differentiate the others. */
export function linearRule(vjp: (b: Builder, node: NodeProto, cotangent: Value) => Value | undefined): Rule {
  return {
    vjp: (b, node, cotangents) => [vjp(b, node, cotangents[0]!)],
    jvp: (b, node, tangents) => again(b, node, tangents[0]!),
  };
}

/** The operator itself on the tangent of its first input. */
export function again(b: Builder, node: NodeProto, tangent: Value): Value[] {
  return b.copy(node, [tangent, ...node.input.slice(1)]);
}
