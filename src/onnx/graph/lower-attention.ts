import { floatAttribute, intAttribute, type Dim, type TensorType } from './graph.js';
import type { NodeProto } from '../file/proto.js';
import { DATA_TYPES, isNumberType } from '../file/tensor.js';
import type { Emit } from './rewrite.js';

type Types = ReadonlyMap<string, TensorType>;

/** What of an Attention node has no derivative here, or undefined. */
export function refusedAttention(node: NodeProto): string | undefined {
  const [, , , , pastKey = '', pastValue = '', lengths = ''] = node.input;
  const [, presentKey = '', presentValue = '', products = ''] = node.output;
  if (pastKey !== '' || pastValue !== '') return 'past keys and values (past_key, past_value)';
  if (lengths !== '') return 'lengths of keys (nonpad_kv_seqlen)';
  if (presentKey !== '' || presentValue !== '') return 'present keys and values as outputs';
  if (products !== '') return 'its products as an output (qk_matmul_output)';
  const window = ['left_window_size', 'right_window_size'].find((name) => intAttribute(node, name, -1) >= 0);
  return window === undefined ? undefined : `a window (${window})`;
}

/**
 * softmax(softcap(Q K' scale) + mask) V, the operator Attention of set 23 and later, as products and a softmax. Positions that a mask
 * excludes get the lowest number of the type, so that a row without any position left has no NaN in it.
 */
export function lowerAttention(node: NodeProto, emit: Emit, types: Types): boolean {
  const [q, k, v, mask = ''] = node.input as [string, string, string, string?];
  const type = types.get(q);
  const shapes = [q, k, v].map((value) => types.get(value)?.shape);
  if (refusedAttention(node) !== undefined || type === undefined || !isNumberType(type.type)) return false;
  const [ofQ, ofK] = shapes;
  if (ofQ === undefined || ofK === undefined) return false;
  const flat = ofQ.length === 3;
  const heads = flat ? intAttribute(node, 'q_num_heads', 1) : ofQ[1]!;
  const shared = flat ? intAttribute(node, 'kv_num_heads', 1) : ofK[1]!;
  const width = flat ? divided(ofQ[2]!, heads) : ofQ[3]!;
  const scale = floatAttribute(node, 'scale', typeof width === 'number' ? 1 / Math.sqrt(width) : NaN);
  if (Number.isNaN(scale) || (heads !== shared && (typeof heads === 'string' || typeof shared === 'string')))
    return false;

  const number = (value: number): string => emit.float(value, type.type as 'float32');
  const split = (value: string, count: Dim): string =>
    flat
      ? emit('Transpose', [emit('Reshape', [value, emit.ints([0, 0, count as number, -1])])], {
          perm: [0, 2, 1, 3],
        })
      : value;
  /** Each head of the keys and values for all heads of the queries that share it. */
  const spread = (value: string): string => {
    if (heads === shared) return value;
    const each = (heads as number) / (shared as number);
    const indices = Array.from({ length: heads as number }, (_, head) => Math.floor(head / each));
    return emit('Gather', [value, emit.ints(indices)], { axis: 1 });
  };
  const root = number(Math.sqrt(scale));
  const keys = emit('Transpose', [emit('Mul', [spread(split(k, shared)), root])], { perm: [0, 1, 3, 2] });
  let scores = emit('MatMul', [emit('Mul', [split(q, heads), root]), keys]);
  const cap = floatAttribute(node, 'softcap', 0);
  if (cap > 0) scores = emit('Mul', [emit('Tanh', [emit('Div', [scores, number(cap)])]), number(cap)]);
  // Half precision goes through single precision, as in ONNX Runtime and PyTorch.
  const half = type.type === 'float16';
  if (half) scores = emit('Cast', [scores], { to: DATA_TYPES.float32 });
  const wide = (value: number): string => emit.float(value, half ? 'float32' : (type.type as 'float32'));
  const lowest = wide(type.type === 'float64' ? -Number.MAX_VALUE : -3.4028234663852886e38);
  if (mask !== '') {
    if (types.get(mask)?.type === 'bool') scores = emit('Where', [mask, scores, lowest]);
    else scores = emit('Add', [scores, half ? emit('Cast', [mask], { to: DATA_TYPES.float32 }) : mask]);
  }
  if (intAttribute(node, 'is_causal', 0) === 1) {
    const square = emit('Shape', [scores], { start: 2, end: 4 });
    const past = emit('Trilu', [emit('Expand', [emit.float(1), square])], { upper: 0 });
    scores = emit('Where', [emit('Cast', [past], { to: DATA_TYPES.bool }), scores, lowest]);
  }
  const weights = emit('Softmax', [scores], { axis: -1 });
  const shares = half ? emit('Cast', [weights], { to: DATA_TYPES.float16 }) : weights;
  const output = node.output.slice(0, 1);
  const values = spread(split(v, shared));
  if (!flat) emit('MatMul', [shares, values], {}, output);
  else {
    const rows = emit('Transpose', [emit('MatMul', [shares, values])], { perm: [0, 2, 1, 3] });
    emit('Reshape', [rows, emit.ints([0, 0, -1])], {}, output);
  }
  return true;
}

function divided(size: Dim, parts: Dim): Dim {
  return typeof size === 'number' && typeof parts === 'number' ? size / parts : size;
}

/** Su et al. 2021: pairs of coordinates turned by an angle of their position, as products and sums. */
export function lowerRotary(node: NodeProto, emit: Emit, types: Types): boolean {
  const [x, cosines, sines, positions = ''] = node.input as [string, string, string, string?];
  const shape = types.get(x)?.shape;
  if (shape === undefined) return false;
  const flat = shape.length === 3;
  const heads = intAttribute(node, 'num_heads', 1);
  const width = flat ? divided(shape[2]!, heads) : shape[3]!;
  if (typeof width !== 'number') return false;
  const turned = intAttribute(node, 'rotary_embedding_dim', 0) || width;
  const apart = intAttribute(node, 'interleaved', 0) === 1;

  const rows = flat ? emit('Reshape', [x, emit.ints([0, 0, heads, -1])]) : x;
  /** Angles for all heads: [batch, length, 1, pairs] beside flat rows, [batch, 1, length, pairs] beside heads. */
  const angles = (table: string): string => {
    const chosen = positions === '' ? table : emit('Gather', [table, positions], { axis: 0 });
    return emit('Unsqueeze', [chosen, emit.ints([flat ? 2 : 1])]);
  };
  const part = (value: string, from: number, to: number, step = 1): string =>
    emit('Slice', [value, emit.ints([from]), emit.ints([to]), emit.ints([-1]), emit.ints([step])]);
  const [first, second] = apart
    ? [part(rows, 0, turned, 2), part(rows, 1, turned, 2)]
    : [part(rows, 0, turned / 2), part(rows, turned / 2, turned)];
  const [cosine, sine] = [angles(cosines), angles(sines)];
  const pairs = [
    emit('Sub', [emit('Mul', [cosine, first]), emit('Mul', [sine, second])]),
    emit('Add', [emit('Mul', [sine, first]), emit('Mul', [cosine, second])]),
  ];
  const joined = apart
    ? emit('Reshape', [
        emit(
          'Concat',
          pairs.map((each) => emit('Unsqueeze', [each, emit.ints([4])])),
          { axis: 4 },
        ),
        emit.ints([0, 0, 0, turned]),
      ])
    : emit('Concat', pairs, { axis: 3 });
  const whole = turned === width ? joined : emit('Concat', [joined, part(rows, turned, width)], { axis: 3 });
  const output = node.output.slice(0, 1);
  if (flat) emit('Reshape', [whole, emit.ints([0, 0, -1])], {}, output);
  else emit('Identity', [whole], {}, output);
  return true;
}
