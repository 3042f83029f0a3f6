import type { Mlp } from './description.js';
import type { NetworkGraph, Activation } from './graph.js';
import { dropout, linear, silu, type Start } from './layers.js';

/**
 * A multilayer perceptron: h_0 = W x, then h_k = [h_(k-1) +] silu(W_k h_(k-1) + (M e)_k) for every hidden layer, and a
 * linear map of the last.
 *
 * @param x [N, features]
 * @param embedding e, [N, width of the embedding]
 * @param head how the last map starts
 */
export function mlp(
  g: NetworkGraph,
  x: Activation,
  embedding: Activation,
  outputs: number,
  settings: Mlp & { readonly dropout: number },
  head: Start = 'zero',
): Activation {
  const { width, depth, residual } = settings;
  const biases = g.split(linear(g, 'modulation', embedding, depth * width), Array<number>(depth).fill(width));
  let h = linear(g, 'stem', x, width);
  biases.forEach((bias, layer) => {
    const next = silu(g, g.arithmetic('Add', linear(g, `hidden.${layer}`, h, width), bias));
    const kept = dropout(g, `hidden.${layer}`, next, settings.dropout);
    h = residual ? g.arithmetic('Add', h, kept) : kept;
  });
  return linear(g, 'head', h, outputs, head);
}
