import {
  GROUP_NORMALIZATION,
  GROUP_NORMALIZATION_GRADIENT,
  SILU,
  SILU_GRADIENT,
} from '../../onnx/graph/fuse.js';
import { floatAttribute, intAttribute } from '../../onnx/graph/graph.js';
import type { Value } from '../../onnx/graph/builder.js';
import type { Rule, RuleTable } from '../rule.js';

/** Gains and offsets per sample and channel, summed over samples where they hold for all. */
const groupNormalization: Rule = {
  vjp: (b, node, [cotangent]) => {
    const [x, gain, offset] = node.input as [Value, Value, Value];
    const attributes = {
      groups: intAttribute(node, 'groups', 1),
      epsilon: { float: floatAttribute(node, 'epsilon', 1e-5) },
      silu: intAttribute(node, 'silu', 0),
      block: 1,
    };
    const inputs = [cotangent, x, gain, offset, node.output[1]];
    const [dx, dgain, doffset] = b.ops(GROUP_NORMALIZATION_GRADIENT, inputs, attributes, 3) as [
      Value,
      Value,
      Value,
    ];
    const like = (gradient: Value, value: Value): Value => {
      const bySample = b.rank(value) === b.rank(x) && b.shape(value)[0] === b.shape(x)[0];
      return bySample ? gradient : b.sum(gradient, [0], b.rank(value) === b.rank(x));
    };
    return [dx, like(dgain, gain), like(doffset, offset)];
  },
};

/** Operators of fastsde's own sessions; by reverse mode alone, since only training graphs have them. */
export const fusedRules: RuleTable = {
  [SILU]: { vjp: (b, node, [cotangent]) => [b.op(SILU_GRADIENT, [cotangent, node.input[0]])] },
  [GROUP_NORMALIZATION]: groupNormalization,
};
