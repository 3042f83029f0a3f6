import type { Levels } from './description.js';
import { ResidualBlocks, encoder, encoderWidths } from './encoder.js';
import type { NetworkGraph, Activation } from './graph.js';
import { groupNorm, linear, silu } from './layers.js';

/**
 * The way down of the U-Net, the mean over positions, and a linear map: an encoder that tells classes apart.
 * @returns logits [N, classes], which start at zero
 */
export function convolutionalClassifier(
  g: NetworkGraph,
  x: Activation,
  embedding: Activation,
  classes: number,
  settings: Levels & { readonly dropout: number },
): Activation {
  const blocks = new ResidualBlocks(g, embedding, encoderWidths(settings), settings.dropout);
  const { coarsest } = encoder(g, x, blocks, settings);
  const h = silu(g, groupNorm(g, 'norm', coarsest));
  const pooled = g.op('ReduceMean', [h, g.ints([2, 3])], [h.shape[0]!], { keepdims: 0 });
  return linear(g, 'head', pooled, classes, 'zero');
}
