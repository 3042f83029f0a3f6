import { floatAttribute, stringAttribute } from '../../onnx/graph/graph.js';
import type { NodeProto } from '../../onnx/file/proto.js';
import { broadcast, unbroadcast } from '../broadcast.js';
import { Builder, type Value } from '../../onnx/graph/builder.js';
import type { Linear, Rule, RuleTable } from '../rule.js';

/**
 * Elementwise operators. The derivative with respect to one input is a diagonal map, the same for a cotangent and for a
 * tangent, so one entry serves both directions.
 */
type Partial = (b: Builder, node: NodeProto, input: number) => Linear | undefined;

function elementwise(partial: Partial): Rule {
  return {
    vjp: (b, node, [cotangent], needs) =>
      node.input.map((input, index) => {
        if (!needs[index]) return undefined;
        const map = partial(b, node, index);
        return map && unbroadcast(b, map(cotangent!), node.output[0]!, input);
      }),
    jvp: (b, node, tangents) => {
      const terms = tangents.flatMap((tangent, index) => {
        if (tangent === undefined) return [];
        const map = partial(b, node, index);
        if (map === undefined) return [];
        return [{ term: map(tangent), input: node.input[index]! }];
      });
      if (terms.length === 0) return [undefined];
      const sum = b.add(terms.map(({ term }) => term));
      return [terms.length === 1 ? broadcast(b, sum, terms[0]!.input, node.output[0]!) : sum];
    },
  };
}

/** An operator of one input with derivative f'(x), written from x and y = f(x). */
function unary(slope: (m: Formula, x: Value, y: Value, node: NodeProto) => Value): Rule {
  return elementwise((b, node, input) => {
    if (input !== 0) return undefined;
    const [x, y] = [node.input[0]!, node.output[0]!];
    const factor = slope(new Formula(b, x), x, y, node);
    return (value) => b.mul(value, factor);
  });
}

/** An operator of one input that passes the derivative where a condition holds. */
function gate(condition: (m: Formula, x: Value, y: Value, node: NodeProto) => Value): Rule {
  return elementwise((b, node, input) => {
    if (input !== 0) return undefined;
    const [x, y] = [node.input[0]!, node.output[0]!];
    const mask = condition(new Formula(b, x), x, y, node);
    return (value) => b.op('Where', [mask, value, b.scalar(0, x)]);
  });
}

/** Formulas over values and numbers in the type of one value. */
class Formula {
  readonly #b: Builder;
  readonly #like: Value;

  constructor(b: Builder, like: Value) {
    this.#b = b;
    this.#like = like;
  }

  op(operator: string, ...inputs: (Value | number)[]): Value {
    return this.#b.op(
      operator,
      inputs.map((input) => (typeof input === 'number' ? this.#b.scalar(input, this.#like) : input)),
    );
  }

  add = (left: Value | number, right: Value | number): Value => this.op('Add', left, right);
  sub = (left: Value | number, right: Value | number): Value => this.op('Sub', left, right);
  mul = (left: Value | number, right: Value | number): Value => this.op('Mul', left, right);
  div = (left: Value | number, right: Value | number): Value => this.op('Div', left, right);
  square = (value: Value): Value => this.op('Mul', value, value);
  /** 1 - v^2 */
  coSquare = (value: Value): Value => this.sub(1, this.square(value));
  greater = (left: Value | number, right: Value | number): Value => this.op('Greater', left, right);
  where = (mask: Value, yes: Value | number, no: Value | number): Value => {
    const [left, right] = [yes, no].map((each) => (typeof each === 'number' ? this.add(each, 0) : each));
    return this.#b.op('Where', [mask, left, right]);
  };
}

const identity: Linear = (value) => value;

/** Ties share the derivative equally. */
const extremum: Partial = (b, node, input) => {
  const y = node.output[0]!;
  const hits = node.input.map((each) => b.op('CastLike', [b.op('Equal', [each, y]), y]));
  const share = b.op('Div', [hits[input]!, b.add(hits)]);
  return (value) => b.mul(value, share);
};

const power: Partial = (b, node, input) => {
  const [x, exponent] = node.input as [Value, Value];
  const y = node.output[0]!;
  const m = new Formula(b, x);
  if (input === 1) {
    const positive = m.greater(x, 0);
    const log = m.op('Log', b.op('Where', [positive, x, b.scalar(1, x)]));
    return (value) => b.op('Where', [positive, b.mul(value, b.mul(y, log)), b.scalar(0, x)]);
  }
  const constant = b.numbers(exponent);
  if (constant?.length === 1) {
    const [p] = constant as [number];
    const slope = p === 2 ? m.mul(2, x) : p === 1 ? undefined : m.mul(p, m.op('Pow', x, p - 1));
    return slope === undefined ? identity : (value) => b.mul(value, slope);
  }
  const p = b.op('CastLike', [exponent, x]);
  const slope = b.mul(p, m.op('Pow', x, m.sub(p, 1)));
  return (value) => b.mul(value, slope);
};

const SQRT_HALF = Math.SQRT1_2;
const SQRT_2_OVER_PI = Math.sqrt(2 / Math.PI);

/** Hendrycks & Gimpel 2016: x Φ(x), and its approximation through tanh. */
function geluSlope(m: Formula, x: Value, _y: Value, node: NodeProto): Value {
  if (stringAttribute(node, 'approximate', 'none') === 'tanh') {
    const cubic = m.mul(m.square(x), 0.044715);
    const t = m.op('Tanh', m.mul(m.mul(x, SQRT_2_OVER_PI), m.add(1, cubic)));
    const inner = m.mul(m.add(m.mul(cubic, 3), 1), SQRT_2_OVER_PI / 2);
    return m.add(m.mul(m.add(t, 1), 0.5), m.mul(m.mul(x, m.coSquare(t)), inner));
  }
  const cdf = m.mul(m.add(m.op('Erf', m.mul(x, SQRT_HALF)), 1), 0.5);
  const pdf = m.mul(m.op('Exp', m.mul(m.square(x), -0.5)), SQRT_2_OVER_PI / 2);
  return m.add(cdf, m.mul(x, pdf));
}

/** y = x s with s = sigmoid(a x): a (y + s (1 - a y) / a) = s + a y (1 - s). */
function siluSlope(m: Formula, y: Value, s: Value, alpha = 1): Value {
  const rest = m.mul(y, m.sub(1, s));
  return m.add(s, alpha === 1 ? rest : m.mul(rest, alpha));
}

function mishSlope(m: Formula, x: Value): Value {
  const t = m.op('Tanh', m.op('Softplus', x));
  return m.add(t, m.mul(m.mul(x, m.op('Sigmoid', x)), m.coSquare(t)));
}

export const elementwiseRules: RuleTable = {
  Add: elementwise(() => identity),
  Sum: elementwise(() => identity),
  Identity: elementwise(() => identity),
  Dropout: elementwise((_b, _node, input) => (input === 0 ? identity : undefined)),
  Sub: elementwise((b, _node, input) => (input === 0 ? identity : (value) => b.op('Neg', [value]))),
  Neg: elementwise((b) => (value) => b.op('Neg', [value])),
  Mul: elementwise((b, node, input) => (value) => b.mul(value, node.input[1 - input]!)),
  Div: elementwise((b, node, input) => {
    const quotient: Linear = (value) => b.op('Div', [value, node.input[1]!]);
    return input === 0 ? quotient : (value) => b.op('Neg', [quotient(b.mul(value, node.output[0]!))]);
  }),
  Mean: elementwise(
    (b, node) => (value) => b.op('Div', [value, b.scalar(node.input.length, node.input[0]!)]),
  ),
  Pow: elementwise(power),
  Min: elementwise(extremum),
  Max: elementwise(extremum),
  Mod: elementwise((_b, _node, input) => (input === 0 ? identity : undefined)),
  Where: elementwise((b, node, input) => {
    const zero = b.scalar(0, node.output[0]!);
    const mask = node.input[0]!;
    return (value) => b.op('Where', input === 1 ? [mask, value, zero] : [mask, zero, value]);
  }),
  PRelu: elementwise((b, node, input) => {
    const [x, slope] = node.input as [Value, Value];
    const negative = b.op('Less', [x, b.scalar(0, x)]);
    if (input === 0) return (value) => b.op('Where', [negative, b.mul(value, slope), value]);
    return (value) => b.op('Where', [negative, b.mul(value, x), b.scalar(0, x)]);
  }),

  Sqrt: elementwise((b, node) => {
    const twice = new Formula(b, node.output[0]!).mul(2, node.output[0]!);
    return (value) => b.op('Div', [value, twice]);
  }),
  Log: elementwise((b, node) => (value) => b.op('Div', [value, node.input[0]!])),
  Exp: unary((_m, _x, y) => y),
  Reciprocal: unary((m, _x, y) => m.op('Neg', m.square(y))),
  Sin: unary((m, x) => m.op('Cos', x)),
  Cos: unary((m, x) => m.op('Neg', m.op('Sin', x))),
  Tan: unary((m, _x, y) => m.add(m.square(y), 1)),
  Sinh: unary((m, x) => m.op('Cosh', x)),
  Cosh: unary((m, x) => m.op('Sinh', x)),
  Tanh: unary((m, _x, y) => m.coSquare(y)),
  Asin: unary((m, x) => m.op('Reciprocal', m.op('Sqrt', m.coSquare(x)))),
  Acos: unary((m, x) => m.op('Neg', m.op('Reciprocal', m.op('Sqrt', m.coSquare(x))))),
  Atan: unary((m, x) => m.op('Reciprocal', m.add(m.square(x), 1))),
  Asinh: unary((m, x) => m.op('Reciprocal', m.op('Sqrt', m.add(m.square(x), 1)))),
  Acosh: unary((m, x) => m.op('Reciprocal', m.op('Sqrt', m.sub(m.square(x), 1)))),
  Atanh: unary((m, x) => m.op('Reciprocal', m.coSquare(x))),
  Erf: unary((m, x) => m.mul(m.op('Exp', m.op('Neg', m.square(x))), 2 / Math.sqrt(Math.PI))),
  Abs: unary((m, x) => m.op('Sign', x)),

  Sigmoid: unary((m, _x, y) => m.mul(y, m.sub(1, y))),
  Softplus: unary((m, x) => m.op('Sigmoid', x)),
  Softsign: unary((m, x) => m.op('Reciprocal', m.square(m.add(m.op('Abs', x), 1)))),
  Gelu: unary(geluSlope),
  Mish: unary(mishSlope),
  Swish: unary((m, x, y, node) => {
    const alpha = floatAttribute(node, 'alpha', 1);
    return siluSlope(m, y, m.op('Sigmoid', m.mul(x, alpha)), alpha);
  }),
  'fastsde:SiLUPattern': unary((m, _x, y, node) => siluSlope(m, y, stringAttribute(node, 'sigmoid', ''))),
  HardSwish: unary((m, x) => {
    const inside = m.where(m.greater(x, -3), m.add(m.div(x, 3), 0.5), 0);
    return m.where(m.greater(x, 3), 1, inside);
  }),
  Elu: unary((m, x, y, node) => m.where(m.greater(x, 0), 1, m.add(y, floatAttribute(node, 'alpha', 1)))),
  Celu: unary((m, x, _y, node) => {
    const alpha = floatAttribute(node, 'alpha', 1);
    return m.where(m.greater(x, 0), 1, m.op('Exp', m.div(x, alpha)));
  }),
  Selu: unary((m, x, y, node) => {
    const alpha = floatAttribute(node, 'alpha', 1.6732632423543772);
    const gamma = floatAttribute(node, 'gamma', 1.0507009873554805);
    return m.where(m.greater(x, 0), gamma, m.add(y, alpha * gamma));
  }),
  LeakyRelu: unary((m, x, _y, node) => m.where(m.greater(x, 0), 1, floatAttribute(node, 'alpha', 0.01))),
  HardSigmoid: unary((m, _x, y, node) => {
    const inside = m.op('And', m.greater(y, 0), m.op('Less', y, 1));
    return m.where(inside, floatAttribute(node, 'alpha', 0.2), 0);
  }),
  Relu: gate((m, _x, y) => m.greater(y, 0)),
  ThresholdedRelu: gate((m, x, _y, node) => m.greater(x, floatAttribute(node, 'alpha', 1))),
  Clip: gate((m, x, _y, node) => {
    const bounds: Value[] = [];
    if (node.input[1]) bounds.push(m.op('GreaterOrEqual', x, node.input[1]));
    if (node.input[2]) bounds.push(m.op('LessOrEqual', x, node.input[2]));
    return bounds.length === 0
      ? m.op('Equal', x, x)
      : bounds.reduce((left, right) => m.op('And', left, right));
  }),
};
