import { OptionError } from '../errors.js';
import { intAttribute, operatorOf } from '../onnx/graph/graph.js';
import type { NodeProto } from '../onnx/file/proto.js';
import { DATA_TYPES } from '../onnx/file/tensor.js';
import type { JvpRule, Rule, RuleTable, VjpRule } from './rule.js';
import { convRules } from './rules/conv.js';
import { elementwiseRules } from './rules/elementwise.js';
import { fusedRules } from './rules/fused.js';
import { matmulRules } from './rules/matmul.js';
import { normalizeRules } from './rules/normalize.js';
import { poolRules } from './rules/pool.js';
import { reduceRules } from './rules/reduce.js';
import { resizeRules } from './rules/resize.js';
import { shapeRules } from './rules/shape.js';

const TABLES: readonly RuleTable[] = [
  convRules,
  elementwiseRules,
  fusedRules,
  matmulRules,
  normalizeRules,
  poolRules,
  reduceRules,
  resizeRules,
  shapeRules,
];

const rules = new Map<string, Rule>(TABLES.flatMap((table) => Object.entries(table)));

/** Operators whose outputs do not change, or change only in jumps, when their inputs move: the derivative is zero. */
const CONSTANT = new Set(
  (
    'Shape Size Range ConstantOfShape Constant EyeLike NonZero ArgMax ArgMin OneHot Equal Greater GreaterOrEqual Less ' +
    'LessOrEqual Not And Or Xor IsNaN IsInf Floor Ceil Round Sign BitShift BitwiseAnd BitwiseOr BitwiseXor BitwiseNot ' +
    'RandomNormal RandomNormalLike RandomUniform RandomUniformLike Bernoulli Multinomial Unique'
  ).split(' '),
);

/** Whether a node's outputs cannot carry a derivative. */
export function isConstant(node: NodeProto): boolean {
  const operator = operatorOf(node);
  if (operator === 'Cast') {
    const to = intAttribute(node, 'to', 1);
    const { float32, float64, float16, bfloat16 } = DATA_TYPES;
    return to !== float32 && to !== float64 && to !== float16 && to !== bfloat16;
  }
  return CONSTANT.has(operator);
}

/** The derivative of a node's operator, or undefined. */
export function ruleOf(node: NodeProto): Rule | undefined {
  return rules.get(operatorOf(node));
}

/** The operators that have a rule. */
export function operators(): string[] {
  return [...rules.keys()].filter((name) => !name.startsWith('fastsde:')).sort();
}

/**
 * Adds or replaces the reverse-mode rule of an operator, for the whole process.
 * @param operator for example "Erfinv"
 * @param domain the operator set that it belongs to; "" is the standard one
 */
export function registerVjp(operator: string, rule: VjpRule, domain = ''): void {
  register(operator, domain, { vjp: rule });
}

/** Adds or replaces the forward-mode rule of an operator. */
export function registerJvp(operator: string, rule: JvpRule, domain = ''): void {
  register(operator, domain, { jvp: rule });
}

function register(operator: string, domain: string, rule: Rule): void {
  if (!/^\w+$/.test(operator)) throw new OptionError('operator', operator, 'the name of an operator');
  const key = domain === '' || domain === 'ai.onnx' ? operator : `${domain}:${operator}`;
  rules.set(key, { ...rules.get(key), ...rule });
}
