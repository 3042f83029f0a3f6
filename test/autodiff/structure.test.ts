import test from 'ava';

import { makeNode } from '../../src/onnx/graph/graph.js';
import { makeTensor } from '../../src/onnx/file/tensor.js';
import { gradcheck, type Case } from '../support/onnx-gradcheck.js';

const x = [2, 3, 4];
const image = [1, 4, 4, 4];
const index = (dims: number[], values: number[]) => makeTensor('', 'int64', dims, values);
const floats = (values: number[]) => makeTensor('', 'float32', [values.length], values);

const cases: Record<string, Case> = {
  Reshape: { operator: 'Reshape', inputs: { x }, constants: { shape: [0, -1] } },
  Squeeze: { operator: 'Squeeze', inputs: { x: [2, 1, 3, 1] }, constants: { axes: [1, -1] }, fixed: true },
  Unsqueeze: { operator: 'Unsqueeze', inputs: { x }, constants: { axes: [0, -1] } },
  Flatten: { operator: 'Flatten', inputs: { x }, attributes: { axis: 2 } },
  Transpose: { operator: 'Transpose', inputs: { x }, attributes: { perm: [2, 0, 1] } },
  'Transpose backwards': { operator: 'Transpose', inputs: { x } },
  Concat: { operator: 'Concat', inputs: { a: [2, 3], b: [2, 1], c: [2, 2] }, attributes: { axis: -1 } },
  Split: {
    operator: 'Split',
    inputs: { x: [2, 6] },
    constants: { sizes: [4, 2] },
    attributes: { axis: 1 },
    outputs: 2,
  },
  'Split evenly, operator set 13': {
    operator: 'Split',
    inputs: { x: [2, 6] },
    attributes: { axis: 1 },
    outputs: 3,
    opset: 13,
    fixed: true,
  },
  Expand: { operator: 'Expand', inputs: { x: [3, 1] }, constants: { shape: [2, 1, 4] } },
  Slice: { operator: 'Slice', inputs: { x }, constants: { starts: [1, -3], ends: [2, 100], axes: [1, 2] } },
  'Slice with steps': {
    operator: 'Slice',
    inputs: { x: [5, 6] },
    constants: { starts: [-1, 1], ends: [-100, 6], axes: [0, 1], steps: [-2, 2] },
  },
  Pad: {
    operator: 'Pad',
    inputs: { x },
    constants: { pads: [0, 1, 2, 0, 3, 1], value: makeTensor('', 'float32', [], [1.5]) },
  },
  'Pad by some axes': {
    operator: 'Pad',
    inputs: { x },
    constants: { pads: [1, 2], axes: [-1] },
    operands: ['x', 'pads', '-', 'axes'],
  },
  'Pad by reflection': {
    operator: 'Pad',
    inputs: { x: [3, 4] },
    constants: { pads: [1, 2, 1, 0] },
    attributes: { mode: 'reflect' },
  },
  'Pad by the edge': {
    operator: 'Pad',
    inputs: { x: [3, 4] },
    constants: { pads: [1, 2, 1, 0] },
    attributes: { mode: 'edge' },
  },
  Gather: {
    operator: 'Gather',
    inputs: { x },
    constants: { i: index([2, 2], [0, 2, 2, -1]) },
    attributes: { axis: 1 },
  },
  GatherElements: {
    operator: 'GatherElements',
    inputs: { x: [3, 4] },
    constants: { i: index([2, 4], [0, 1, 2, 0, 0, 1, -1, 2]) },
  },
  GatherND: { operator: 'GatherND', inputs: { x }, constants: { i: index([2, 2], [0, 1, 1, 2]) } },
  ScatterElements: {
    operator: 'ScatterElements',
    inputs: { x: [3, 4], u: [1, 4] },
    constants: { i: index([1, 4], [0, 1, 2, 0]) },
    operands: ['x', 'i', 'u'],
  },
  'ScatterElements that adds': {
    operator: 'ScatterElements',
    inputs: { x: [3, 4], u: [2, 4] },
    constants: { i: index([2, 4], [0, 1, 2, 0, 0, 1, 2, 2]) },
    operands: ['x', 'i', 'u'],
    attributes: { reduction: 'add' },
  },
  ScatterND: {
    operator: 'ScatterND',
    inputs: { x: [4, 3], u: [2, 3] },
    constants: { i: index([2, 1], [3, 1]) },
    operands: ['x', 'i', 'u'],
  },
  Tile: { operator: 'Tile', inputs: { x: [2, 3] }, constants: { repeats: [2, 2] } },
  DepthToSpace: { operator: 'DepthToSpace', inputs: { x: image }, attributes: { blocksize: 2 } },
  'DepthToSpace by columns': {
    operator: 'DepthToSpace',
    inputs: { x: [2, 8, 2, 3] },
    attributes: { blocksize: 2, mode: 'CRD' },
    fixed: true,
  },
  SpaceToDepth: { operator: 'SpaceToDepth', inputs: { x: image }, attributes: { blocksize: 2 } },
  Trilu: { operator: 'Trilu', inputs: { x: [3, 4] }, attributes: { upper: 0 } },
  Cast: {
    nodes: [makeNode('Cast', ['x'], ['double'], { to: 11 }), makeNode('Cast', ['double'], ['y'], { to: 1 })],
    inputs: { x },
  },
  CumSum: { operator: 'CumSum', inputs: { x }, constants: { axis: index([], [1]) } },
  'CumSum, exclusive and reverse': {
    operator: 'CumSum',
    inputs: { x },
    constants: { axis: index([], [-1]) },
    attributes: { exclusive: 1, reverse: 1 },
  },
  'Resize, nearest': {
    operator: 'Resize',
    inputs: { x: image },
    constants: { s: floats([1, 1, 2, 3]) },
    operands: ['x', '-', 's'],
  },
  'Resize, nearest, asymmetric': {
    operator: 'Resize',
    inputs: { x: image },
    constants: { s: floats([1, 1, 2, 2]) },
    operands: ['x', '-', 's'],
    attributes: { coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' },
  },
  'Resize, nearest, odd scale': {
    operator: 'Resize',
    inputs: { x: image },
    constants: { s: floats([1, 1, 1.5, 0.5]) },
    operands: ['x', '-', 's'],
    attributes: { nearest_mode: 'ceil' },
  },
  'Resize, linear': {
    operator: 'Resize',
    inputs: { x: image },
    constants: { s: floats([1, 1, 2, 1.5]) },
    operands: ['x', '-', 's'],
    attributes: { mode: 'linear' },
    fixed: true,
  },
  'Resize, linear, corners aligned': {
    operator: 'Resize',
    inputs: { x: image },
    constants: { s: [1, 4, 7, 3] },
    operands: ['x', '-', '-', 's'],
    attributes: { mode: 'linear', coordinate_transformation_mode: 'align_corners' },
    fixed: true,
  },
};

for (const [name, each] of Object.entries(cases)) {
  test(`${name}: derivatives agree with differences in both directions`, (t) => gradcheck(t, name, each));
}
