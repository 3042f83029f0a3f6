import test from 'ava';

import { gradcheck, type Case } from '../support/onnx-gradcheck.js';

const image = [2, 4, 5, 6];

const cases: Record<string, Case & { operator: string }> = {
  MatMul: { operator: 'MatMul', inputs: { a: [3, 4], b: [4, 2] } },
  'MatMul in batches': { operator: 'MatMul', inputs: { a: [2, 3, 4], b: [2, 4, 2] } },
  'MatMul with a broadcast batch': { operator: 'MatMul', inputs: { a: [2, 1, 3, 4], b: [3, 4, 2] } },
  'MatMul by weights': { operator: 'MatMul', inputs: { a: [2, 3, 4], w: [4, 2] } },
  'MatMul of a matrix with a batch': { operator: 'MatMul', inputs: { a: [3, 4], b: [2, 4, 2] } },
  'MatMul of vectors': { operator: 'MatMul', inputs: { a: [4], b: [4] } },
  'MatMul of a vector and a batch': { operator: 'MatMul', inputs: { a: [4], b: [2, 4, 3] } },
  'MatMul of a batch and a vector': { operator: 'MatMul', inputs: { a: [2, 3, 4], b: [4] } },
  Gemm: { operator: 'Gemm', inputs: { a: [3, 4], b: [4, 2], c: [2] } },
  'Gemm transposed': {
    operator: 'Gemm',
    inputs: { a: [4, 3], b: [2, 4], c: [3, 1] },
    attributes: { transA: 1, transB: 1, alpha: { float: 0.5 }, beta: { float: 2 } },
  },
  'Gemm, first transposed': { operator: 'Gemm', inputs: { a: [4, 3], b: [4, 2] }, attributes: { transA: 1 } },
  'Gemm, second transposed': {
    operator: 'Gemm',
    inputs: { a: [3, 4], b: [2, 4] },
    attributes: { transB: 1 },
  },
  'Einsum of attention': {
    operator: 'Einsum',
    inputs: { a: [2, 3, 2, 2], b: [2, 3, 2, 2] },
    attributes: { equation: 'bchw,bcij->bhwij' },
  },
  'Einsum with a lost index': {
    operator: 'Einsum',
    inputs: { a: [2, 3], b: [3] },
    attributes: { equation: 'ij,j->j' },
  },

  Conv: {
    operator: 'Conv',
    inputs: { x: image, w: [3, 4, 3, 3], wb: [3] },
    attributes: { pads: [1, 1, 1, 1] },
  },
  'Conv 1x1': { operator: 'Conv', inputs: { x: image, w: [3, 4, 1, 1] } },
  'Conv with stride': {
    operator: 'Conv',
    inputs: { x: image, w: [3, 4, 3, 3] },
    attributes: { strides: [2, 2], pads: [1, 1, 1, 1] },
  },
  'Conv with odd padding': {
    operator: 'Conv',
    inputs: { x: image, w: [2, 4, 2, 3], wb: [2] },
    attributes: { strides: [2, 3], pads: [0, 1, 2, 0] },
  },
  'Conv, padding beyond the kernel': {
    operator: 'Conv',
    inputs: { x: image, w: [2, 4, 2, 2] },
    attributes: { pads: [2, 2, 2, 2] },
  },
  'Conv with dilation': {
    operator: 'Conv',
    inputs: { x: image, w: [2, 4, 3, 2] },
    attributes: { dilations: [2, 3], pads: [2, 1, 1, 2] },
  },
  'Conv in groups': {
    operator: 'Conv',
    inputs: { x: image, w: [6, 2, 3, 3] },
    attributes: { group: 2, pads: [1, 1, 1, 1] },
  },
  'Conv by depth with stride': {
    operator: 'Conv',
    inputs: { x: image, w: [4, 1, 3, 3] },
    attributes: { group: 4, strides: [2, 1], pads: [1, 0, 0, 1] },
  },
  'Conv 1x1 with stride': {
    operator: 'Conv',
    inputs: { x: image, w: [3, 4, 1, 1] },
    attributes: { strides: [2, 2] },
  },
  'Conv in one dimension': {
    operator: 'Conv',
    inputs: { x: [2, 3, 7], w: [2, 3, 3] },
    attributes: { strides: [2], pads: [1, 1] },
  },
  'Conv in three dimensions': {
    operator: 'Conv',
    inputs: { x: [1, 2, 3, 4, 3], w: [2, 2, 2, 2, 2] },
    attributes: { pads: [0, 1, 0, 1, 0, 1] },
  },
  'Conv, SAME_UPPER': {
    operator: 'Conv',
    inputs: { x: image, w: [2, 4, 3, 2] },
    attributes: { auto_pad: 'SAME_UPPER', strides: [2, 2] },
    fixed: true,
  },
  'Conv, SAME_LOWER': {
    operator: 'Conv',
    inputs: { x: image, w: [2, 4, 2, 2] },
    attributes: { auto_pad: 'SAME_LOWER' },
    fixed: true,
  },
  'Conv, VALID': {
    operator: 'Conv',
    inputs: { x: image, w: [2, 4, 3, 3] },
    attributes: { auto_pad: 'VALID' },
  },
  ConvTranspose: {
    operator: 'ConvTranspose',
    inputs: { x: [2, 4, 3, 3], w: [4, 2, 4, 4], wb: [2] },
    attributes: { strides: [2, 2], pads: [1, 1, 1, 1] },
  },
  'ConvTranspose with output padding': {
    operator: 'ConvTranspose',
    inputs: { x: [1, 2, 3, 2], w: [2, 3, 3, 3] },
    attributes: { strides: [2, 3], pads: [1, 0, 1, 0], output_padding: [1, 2] },
    fixed: true,
  },
  'ConvTranspose in groups': {
    operator: 'ConvTranspose',
    inputs: { x: [2, 4, 3, 3], w: [4, 2, 2, 3] },
    attributes: { group: 2, dilations: [2, 1] },
  },
};

for (const [name, each] of Object.entries(cases)) {
  test(`${name}: derivatives agree with differences in both directions`, (t) => gradcheck(t, name, each));
}
