import type { NetworkGraph, Activation } from './graph.js';
import { linear, silu, type Modulation } from './layers.js';

/** Angular frequencies of the noise features, evenly spaced in their logarithm. */
const FREQUENCIES = 16;
const LOWEST = 0.5;
const HIGHEST = 50;

/**
 * The embedding [N, width] of the noise level, and of the class where there is one.
 *
 * The noise level goes through sines and cosines of 16 frequencies
 * from 0.5 to 50 and two layers with SiLU; a class adds a learned vector after the first, and probabilities of classes
 * the mean of those vectors.
 *
 * @param noise [N]
 * @param label class labels [N] and how many there are, or the probabilities [N, count] of all
 */
export function embed(
  g: NetworkGraph,
  noise: Activation,
  width: number,
  label?: { readonly input: Activation; readonly count: number },
): Activation {
  const ratio = Math.log(HIGHEST / LOWEST) / (FREQUENCIES - 1);
  const frequencies = Array.from({ length: FREQUENCIES }, (_, i) => LOWEST * Math.exp(i * ratio));
  const shape = [FREQUENCIES];
  const angles = g.op('Mul', [g.reshape(noise, [1]), g.constant('frequencies', frequencies)], shape);
  const waves = ['Sin', 'Cos'].map((wave) => g.op(wave, [angles], shape));
  const features = g.op('Concat', waves, [2 * FREQUENCIES], { axis: 1 });
  let hidden = linear(g, 'embed.0', features, width);
  if (label !== undefined) {
    const table = g.weight('embed.class.weight', [label.count, width], { fan: 1 });
    const vectors =
      label.input.shape.length === 0
        ? g.op('Gather', [table, label.input], [width], { axis: 0 })
        : g.op('MatMul', [label.input, table], [width]);
    hidden = g.arithmetic('Add', hidden, vectors);
  }
  return silu(g, linear(g, 'embed.1', silu(g, hidden), width));
}

/** Scales and shifts for layers of these widths, made from the embedding by one matrix product. */
export function modulations(g: NetworkGraph, embedding: Activation, widths: readonly number[]): Modulation[] {
  const sizes = widths.flatMap((width) => [width, width]);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const parts = g.split(g.reshape(linear(g, 'modulation', embedding, total), [total, 1, 1]), sizes);
  return widths.map((_, i) => ({ scale: parts[2 * i]!, shift: parts[2 * i + 1]! }));
}
