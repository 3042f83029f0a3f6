import { GROUPS } from './description.js';
import type { NetworkGraph, Activation } from './graph.js';

/** How a layer's weights start: at random, or at zero so that it begins as nothing. */
export type Start = 'random' | 'zero';

/** x sigmoid(x) (Ramachandran et al. 2017). */
export function silu(g: NetworkGraph, x: Activation): Activation {
  return g.arithmetic('Mul', x, g.op('Sigmoid', [x], x.shape));
}

/** y = x W^T + b for x [N, inputs], with W [outputs, inputs] as in PyTorch. */
export function linear(
  g: NetworkGraph,
  name: string,
  x: Activation,
  outputs: number,
  start: Start = 'random',
): Activation {
  const inputs = x.shape[0]!;
  const initial = start === 'zero' ? 0 : { fan: inputs };
  const weight = g.weight(`${name}.weight`, [outputs, inputs], initial);
  const bias = g.weight(`${name}.bias`, [outputs], initial);
  return g.op('Gemm', [x, weight, bias], [outputs], { transB: 1 });
}

/** A convolution of [N, C, H, W] that keeps height and width, or divides them by its stride. */
export function convolution(
  g: NetworkGraph,
  name: string,
  x: Activation,
  outputs: number,
  options: { readonly kernel?: number; readonly stride?: number; readonly start?: Start } = {},
): Activation {
  const { kernel = 3, stride = 1, start = 'random' } = options;
  const [inputs, height, width] = x.shape as [number, number, number];
  const initial = start === 'zero' ? 0 : { fan: inputs * kernel ** 2 };
  const weight = g.weight(`${name}.weight`, [outputs, inputs, kernel, kernel], initial);
  const bias = g.weight(`${name}.bias`, [outputs], initial);
  return g.op('Conv', [x, weight, bias], [outputs, height / stride, width / stride], {
    kernel_shape: [kernel, kernel],
    strides: [stride, stride],
    pads: Array<number>(4).fill((kernel - 1) / 2),
  });
}

/** A factor and an offset for every channel, [N, C, 1, 1] each. */
export interface Modulation {
  readonly scale: Activation;
  readonly shift: Activation;
}

/**
 * Group normalisation (Wu and He 2018) with 8 groups: (x - mean) / sqrt(variance + 1e-5) within each group of channels,
 * times the weight, plus the bias; with a modulation, that result times (1 + scale), plus shift.
 */
export function groupNorm(g: NetworkGraph, name: string, x: Activation, modulation?: Modulation): Activation {
  const [channels, height, width] = x.shape as [number, number, number];
  const weight: Activation = {
    name: g.weight(`${name}.weight`, [channels, 1, 1], 1),
    shape: [channels, 1, 1],
  };
  const bias: Activation = { name: g.weight(`${name}.bias`, [channels, 1, 1], 0), shape: [channels, 1, 1] };
  const size = (channels / GROUPS) * height * width;
  // The fastest kernel of ONNX Runtime for groups as rows; differentiation brings it to the form that it needs.
  const one = g.constant('norm.ones', Array<number>(GROUPS).fill(1));
  const zero = g.constant('norm.zeros', Array<number>(GROUPS).fill(0));
  const rows = g.op('Reshape', [x, g.ints([0, GROUPS, -1])], [GROUPS, size]);
  const normal = g.op('InstanceNormalization', [rows, one, zero], rows.shape, { epsilon: { float: 1e-5 } });
  const y = g.reshape(normal, x.shape);
  if (modulation === undefined) return g.arithmetic('Add', g.arithmetic('Mul', y, weight), bias);
  // The two affine maps are joined while they are small.
  const factor = g.arithmetic('Add', modulation.scale, 1);
  const gain = g.arithmetic('Mul', factor, weight);
  const offset = g.arithmetic('Add', g.arithmetic('Mul', factor, bias), modulation.shift);
  return g.arithmetic('Add', g.arithmetic('Mul', y, gain), offset);
}

/** Dropout by a mask that is an input: 0 or 1 / (1 - p) for every element. None where p is 0. */
export function dropout(g: NetworkGraph, name: string, x: Activation, probability: number): Activation {
  return probability === 0 ? x : g.arithmetic('Mul', x, g.input(`dropout.${name}`, x.shape));
}

/** Self-attention over positions with one head, added to its input; starts as the identity (Ho et al. 2020). */
export function attention(g: NetworkGraph, name: string, x: Activation): Activation {
  const [channels, height, width] = x.shape as [number, number, number];
  const positions = height * width;
  const qkv = convolution(g, `${name}.qkv`, groupNorm(g, `${name}.norm`, x), 3 * channels, { kernel: 1 });
  const flat = g.reshape(qkv, [3 * channels, positions]);
  const [q, k, v] = g.split(flat, [channels, channels, channels]) as [Activation, Activation, Activation];
  const square = [positions, positions];
  const queries = g.op('Transpose', [g.arithmetic('Mul', q, channels ** -0.5)], [positions, channels], {
    perm: [0, 2, 1],
  });
  const weights = g.op('Softmax', [g.op('MatMul', [queries, k], square)], square, { axis: -1 });
  const transposed = g.op('Transpose', [weights], square, { perm: [0, 2, 1] });
  const mixed = g.reshape(g.op('MatMul', [v, transposed], v.shape), x.shape);
  const out = convolution(g, `${name}.out`, mixed, channels, { kernel: 1, start: 'zero' });
  return g.arithmetic('Add', x, out);
}

/** 2 x 2 pixels to channels. */
export function spaceToDepth(g: NetworkGraph, x: Activation): Activation {
  const [channels, height, width] = x.shape as [number, number, number];
  return g.op('SpaceToDepth', [x], [4 * channels, height / 2, width / 2], { blocksize: 2 });
}

/** The inverse of {@link spaceToDepth}. */
export function depthToSpace(g: NetworkGraph, x: Activation): Activation {
  const [channels, height, width] = x.shape as [number, number, number];
  return g.op('DepthToSpace', [x], [channels / 4, 2 * height, 2 * width], { blocksize: 2 });
}
