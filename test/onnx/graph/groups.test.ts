import test from 'ava';

import { trainingGraph } from '../../../src/autodiff/training.js';
import { makeNode, makeValueInfo, operatorOf } from '../../../src/onnx/graph/graph.js';
import { modelBytes, type Model } from '../../../src/onnx/file/model.js';
import { createSession } from '../../../src/onnx/run/runtime.js';
import { makeTensor } from '../../../src/onnx/file/tensor.js';
import { uniform } from '../../support/onnx-gradcheck.js';
import { onnxNetwork } from '../../support/onnx-network.js';

const [batch, channels, groups, size] = [3, 8, 2, 5];
const positions = size * size;
const elements = channels * positions;

/** gain * normalised (x + shift) + offset, as PyTorch's exporter writes it. */
function network(): Model {
  const ints = (name: string, values: readonly number[]) =>
    makeTensor(name, 'int64', [values.length], values);
  const floats = (name: string, dims: readonly number[], value: number) => {
    const count = dims.reduce((product, each) => product * each, 1);
    return makeTensor(name, 'float32', dims, Array<number>(count).fill(value));
  };
  return onnxNetwork(
    [
      makeNode('Add', ['x', 'shift'], ['h']),
      makeNode('Reshape', ['h', 'rows'], ['hRows']),
      makeNode('InstanceNormalization', ['hRows', 'ones', 'zeros'], ['normalRows']),
      makeNode('Reshape', ['normalRows', 'image'], ['normal']),
      makeNode('Mul', ['normal', 'gain'], ['scaled']),
      makeNode('Add', ['scaled', 'offset'], ['y']),
    ],
    [
      floats('shift', [channels, size, size], 0),
      floats('gain', [channels, 1, 1], 1.5),
      floats('offset', [channels, 1, 1], 0.25),
      floats('ones', [groups], 1),
      floats('zeros', [groups], 0),
      ints('rows', [0, groups, -1]),
      ints('image', [-1, channels, size, size]),
    ],
    [makeValueInfo('x', { type: 'float32', shape: ['N', channels, size, size] })],
  );
}

/** The loss's gradients by the textbook: dx = r (g - mean(g) - n mean(g n)) for the normalised n and g = gain dy. */
function textbook(x: Float32Array, target: Float32Array): Record<string, Float64Array> {
  const found = {
    y: new Float64Array(x.length),
    'grad.shift': new Float64Array(elements),
    'grad.gain': new Float64Array(channels),
    'grad.offset': new Float64Array(channels),
  };
  const length = elements / groups;
  for (let start = 0; start < x.length; start += length) {
    const mean = x.subarray(start, start + length).reduce((sum, value) => sum + value / length, 0);
    const variance = x.subarray(start, start + length).reduce((sum, v) => sum + (v - mean) ** 2 / length, 0);
    const inverse = 1 / Math.sqrt(variance + 1e-5);
    const rows = Array.from({ length }, (_, i) => {
      const at = start + i;
      const normal = (x[at]! - mean) * inverse;
      const y = 1.5 * normal + 0.25;
      const slope = (2 * (y - target[at]!)) / x.length;
      const channel = Math.floor((at % elements) / positions);
      found.y[at] = y;
      found['grad.gain'][channel]! += slope * normal;
      found['grad.offset'][channel]! += slope;
      return { at, normal, g: 1.5 * slope };
    });
    const average = (f: (row: (typeof rows)[number]) => number): number =>
      rows.reduce((sum, row) => sum + f(row), 0) / length;
    const [first, second] = [average(({ g }) => g), average(({ g, normal }) => g * normal)];
    for (const { at, normal, g } of rows)
      found['grad.shift'][at % elements]! += inverse * (g - first - normal * second);
  }
  return found;
}

const cases = { 'around 0': [0, 1], 'far from 0': [1000, 0.5], 'nearly constant': [0.3, 1e-3] } as const;

for (const [name, [centre, width]] of Object.entries(cases)) {
  test(`group normalisation is trained by its closed form: values ${name}`, async (t) => {
    const { model } = await trainingGraph(network(), {
      loss: { kind: 'mean-squared-error' },
      parameters: ['shift', 'gain', 'offset'],
    });
    t.false(model.proto.graph.node.some((node) => operatorOf(node) === 'LayerNormalization'));
    const random = uniform(7);
    const draw = (length: number, middle: number, scale: number): Float32Array =>
      Float32Array.from({ length }, () => middle + scale * (2 * random() - 1));
    const x = draw(batch * elements, centre, width);
    const target = draw(batch * elements, 0, 1);
    const dims = [batch, channels, size, size];
    const column = [channels, 1, 1];
    const session = await createSession(modelBytes(model), { threads: 1 });
    const outputs = await session.run({
      x: { data: x, dims },
      target: { data: target, dims },
      shift: { data: new Float32Array(elements), dims: dims.slice(1) },
      gain: { data: new Float32Array(channels).fill(1.5), dims: column },
      offset: { data: new Float32Array(channels).fill(0.25), dims: column },
    });
    await session.release();
    for (const [output, expected] of Object.entries(textbook(x, target))) {
      const values = outputs[output]!.data as Float32Array;
      const scale = Math.max(...expected.map(Math.abs));
      const error = Math.max(...values.map((value, i) => Math.abs(value - expected[i]!))) / scale;
      t.true(values.length === expected.length && error < 2e-5, `${output} differs by ${error}`);
    }
  });
}
