import test from 'ava';
import fc from 'fast-check';

import { makeNode } from '../../src/onnx/graph/graph.js';
import type { NodeProto } from '../../src/onnx/file/proto.js';
import { gradcheck, type Case } from '../support/onnx-gradcheck.js';

/** How a node is chosen: an operator, and two of the values so far. */
const choice = fc.record({
  kind: fc.constantFrom(
    ...['Tanh', 'Sigmoid', 'Softplus', 'Sin', 'Neg', 'SiLU', 'Softmax', 'LayerNormalization', 'Transpose'],
    ...['Add', 'Mul', 'Sub', 'Where', 'MatMul', 'Concat', 'ReduceMean', 'Slice', 'Reshape', 'Split'],
  ),
  left: fc.nat(),
  right: fc.nat(),
});

/** A graph in which every value is a 4 x 4 matrix, so that any operator fits any value. */
function network(choices: readonly { kind: string; left: number; right: number }[]): NodeProto[] {
  const values = ['a', 'b'];
  const nodes: NodeProto[] = [];
  choices.forEach(({ kind, left, right }, k) => {
    const [p, q] = [values[left % values.length]!, values[right % values.length]!];
    const name = (part: string): string => `${part}${k}`;
    const emit = (
      ...[operator, inputs, attributes]: [string, string[], Parameters<typeof makeNode>[3]?]
    ): string => {
      const output = name(`${operator}.${nodes.length}.`);
      nodes.push(makeNode(operator, inputs, [output], attributes));
      return output;
    };
    const rules: Record<string, () => string> = {
      SiLU: () => emit('Mul', [emit('Sigmoid', [p]), p]),
      Softmax: () => emit('Softmax', [p], { axis: right % 2 }),
      LayerNormalization: () => emit('LayerNormalization', [p, 'scale'], { axis: 1 - (right % 2) }),
      Transpose: () => emit('Transpose', [p], { perm: [1, 0] }),
      Where: () => emit('Where', [emit('Greater', [p, q]), emit('Tanh', [p]), q]),
      Concat: () => emit('Slice', [emit('Concat', [p, q], { axis: 1 }), 'two', 'six', 'one']),
      ReduceMean: () => emit('Sub', [p, emit('ReduceMean', [q, 'one'], { keepdims: 1 })]),
      Slice: () => emit('Add', [p, emit('Slice', [q, 'one', 'two', 'one'])]),
      Reshape: () =>
        emit('Reshape', [
          emit('Mul', [emit('Reshape', [p, 'rows']), emit('Reshape', [q, 'rows'])]),
          'square',
        ]),
      Split: () => {
        nodes.push(makeNode('Split', [p, 'halves'], [name('s'), name('t')], { axis: 0 }));
        return emit('Concat', [name('t'), emit('Mul', [name('s'), name('t')])], { axis: 0 });
      },
    };
    const binary = ['Add', 'Mul', 'Sub', 'MatMul'].includes(kind);
    values.push((rules[kind] ?? (() => emit(kind, binary ? [p, q] : [p])))());
  });
  // Bounded, and dependent on both inputs whatever was chosen.
  nodes.push(makeNode('Tanh', [values.at(-1)!], ['bounded']), makeNode('Mul', ['a', 'b'], ['ab']));
  return [...nodes, makeNode('Add', ['bounded', 'ab'], ['y'])];
}

test('random graphs: u.Jv equals v.J^T u, and both agree with differences', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(choice, { minLength: 1, maxLength: 8 }), async (choices) => {
      const each: Case = {
        nodes: network(choices),
        inputs: { a: [4, 4], b: [4, 4] },
        constants: {
          one: [1],
          two: [2],
          six: [6],
          halves: [2, 2],
          rows: [2, 8],
          square: [-1, 4],
          scale: {
            dims: [4],
            data_type: 1,
            float_data: Float32Array.of(1, 0.5, 2, -1),
            string_data: [],
            external_data: [],
          },
        },
        range: [-1, 1],
        fixed: true,
      };
      await gradcheck(t, choices.map(({ kind }) => kind).join(' > '), each);
    }),
    { seed: 11, numRuns: 40, endOnFailure: true },
  );
});
