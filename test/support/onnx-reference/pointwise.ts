import { elementwise, type NdArray } from './array.js';
import { float, int, text, type Operator } from './operator.js';

/** erf by its Taylor series near 0 and by its continued fraction beyond (Abramowitz & Stegun 7.1.5, 7.1.14). */
export function erf(x: number): number {
  const z = Math.abs(x);
  if (z > 6) return Math.sign(x);
  if (z < 3) {
    let term = x;
    let sum = x;
    for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(sum); n++) {
      term *= (-x * x) / n;
      sum += term / (2 * n + 1);
    }
    return (2 / Math.sqrt(Math.PI)) * sum;
  }
  let tail = 0;
  for (let n = 200; n > 0; n--) tail = n / 2 / (z + tail);
  return Math.sign(x) * (1 - Math.exp(-z * z) / Math.sqrt(Math.PI) / (z + tail));
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

function unary(f: (x: number) => number): Operator {
  return ([x]) => elementwise([x!], f, false);
}

function fold(f: (a: number, b: number) => number): Operator {
  return (inputs) => inputs.reduce((left, right) => elementwise([left, right], f));
}

function compare(f: (a: number, b: number) => boolean): Operator {
  return ([a, b]) => elementwise([a!, b!], (left, right) => Number(f(left, right)), true);
}

function gelu(approximate: string): (x: number) => number {
  if (approximate === 'tanh') {
    return (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
  }
  return (x) => 0.5 * x * (1 + erf(x / Math.SQRT2));
}

function castTo(x: NdArray, integer: boolean, bool = false): NdArray {
  return elementwise([x], bool ? (v) => Number(v !== 0) : integer ? Math.trunc : (v) => v, integer);
}

export const pointwise: Readonly<Record<string, Operator>> = {
  Add: fold((a, b) => a + b),
  Sum: fold((a, b) => a + b),
  Sub: fold((a, b) => a - b),
  Mul: fold((a, b) => a * b),
  Div: ([a, b]) => elementwise([a!, b!], a!.integer ? (p, q) => Math.trunc(p / q) : (p, q) => p / q),
  Mean: (inputs) => elementwise(inputs, (...values) => values.reduce((a, b) => a + b, 0) / values.length),
  Pow: ([a, b]) => elementwise([a!, b!], Math.pow, false),
  Mod: ([a, b], node) =>
    elementwise([a!, b!], int(node, 'fmod', 0) ? (p, q) => p % q : (p, q) => p - q * Math.floor(p / q)),
  Min: fold(Math.min),
  Max: fold(Math.max),
  Where: ([c, a, b]) =>
    elementwise([c!, a!, b!], (mask, yes, no) => (mask ? yes : no), a!.integer && b!.integer),
  Not: ([x]) => elementwise([x!], (v) => Number(!v), true),
  And: compare((a, b) => Boolean(a && b)),
  Or: compare((a, b) => Boolean(a || b)),
  Equal: compare((a, b) => a === b),
  Greater: compare((a, b) => a > b),
  GreaterOrEqual: compare((a, b) => a >= b),
  Less: compare((a, b) => a < b),
  LessOrEqual: compare((a, b) => a <= b),
  Identity: ([x]) => x!,
  Dropout: ([x]) => x!,
  Neg: ([x]) => elementwise([x!], (v) => -v),
  Abs: ([x]) => elementwise([x!], Math.abs),
  Sign: ([x]) => elementwise([x!], Math.sign),
  Floor: unary(Math.floor),
  Sqrt: unary(Math.sqrt),
  Reciprocal: unary((x) => 1 / x),
  Exp: unary(Math.exp),
  Log: unary(Math.log),
  Sin: unary(Math.sin),
  Cos: unary(Math.cos),
  Tan: unary(Math.tan),
  Sinh: unary(Math.sinh),
  Cosh: unary(Math.cosh),
  Tanh: unary(Math.tanh),
  Asin: unary(Math.asin),
  Acos: unary(Math.acos),
  Atan: unary(Math.atan),
  Asinh: unary(Math.asinh),
  Acosh: unary(Math.acosh),
  Atanh: unary(Math.atanh),
  Erf: unary(erf),
  Sigmoid: unary(sigmoid),
  Softplus: unary(softplus),
  Softsign: unary((x) => x / (1 + Math.abs(x))),
  Relu: unary((x) => Math.max(x, 0)),
  Mish: unary((x) => x * Math.tanh(softplus(x))),
  HardSwish: unary((x) => (x * Math.min(6, Math.max(0, x + 3))) / 6),
  Gelu: ([x], node) => elementwise([x!], gelu(text(node, 'approximate', 'none'))),
  Swish: ([x], node) => elementwise([x!], (v) => v * sigmoid(float(node, 'alpha', 1) * v)),
  Elu: ([x], node) => elementwise([x!], (v) => (v > 0 ? v : float(node, 'alpha', 1) * Math.expm1(v))),
  Celu: ([x], node) => {
    const alpha = float(node, 'alpha', 1);
    return elementwise([x!], (v) => Math.max(0, v) + Math.min(0, alpha * Math.expm1(v / alpha)));
  },
  Selu: ([x], node) => {
    const alpha = float(node, 'alpha', 1.6732632423543772);
    const gamma = float(node, 'gamma', 1.0507009873554805);
    return elementwise([x!], (v) => gamma * (v > 0 ? v : alpha * Math.expm1(v)));
  },
  LeakyRelu: ([x], node) => elementwise([x!], (v) => (v > 0 ? v : float(node, 'alpha', 0.01) * v)),
  ThresholdedRelu: ([x], node) => elementwise([x!], (v) => (v > float(node, 'alpha', 1) ? v : 0)),
  HardSigmoid: ([x], node) =>
    elementwise([x!], (v) =>
      Math.max(0, Math.min(1, float(node, 'alpha', 0.2) * v + float(node, 'beta', 0.5))),
    ),
  PRelu: ([x, slope]) => elementwise([x!, slope!], (v, s) => (v < 0 ? s * v : v)),
  Clip: ([x, low, high]) =>
    elementwise([x!], (v) => Math.min(high?.data[0] ?? Infinity, Math.max(low?.data[0] ?? -Infinity, v))),
  Cast: ([x], node) => {
    const to = int(node, 'to', 1);
    return castTo(x!, ![1, 10, 11].includes(to), to === 9);
  },
  CastLike: ([x, like]) => castTo(x!, like!.integer),
};
