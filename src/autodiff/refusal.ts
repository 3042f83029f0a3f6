import { operatorOf } from '../onnx/graph/graph.js';
import type { NodeProto } from '../onnx/file/proto.js';
import { refusedAttention } from '../onnx/graph/lower-attention.js';

/** Quantising operators of ONNX and of ONNX Runtime: of values as they are computed, and of weights in blocks of few bits. */
const QUANTISED =
  /^(com\.microsoft:)?(QLinear\w+|QuantizeLinear|DynamicQuantize\w+|\w*Integer\w*|QAttention|QGemm|QMoE|MatMulNBits|MatMulBnb4|MatMulFpQ4)$/;

/** Whether a node computes with rounded numbers, whose derivative is zero wherever it exists. */
export function isQuantised(node: NodeProto): boolean {
  return QUANTISED.test(operatorOf(node));
}

/** Why a node has no derivative, and what to do; undefined where nothing more is known than that it has no rule. */
export function refusalOf(node: NodeProto): string | undefined {
  const operator = operatorOf(node);
  if (isQuantised(node))
    return `${operator} belongs to a quantised network, which is a step function: differentiate the original in floating point`;
  const what = operator === 'Attention' ? refusedAttention(node) : undefined;
  return what && `Attention with ${what}: export the network without`;
}
