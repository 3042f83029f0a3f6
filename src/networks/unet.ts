import type { Levels } from './description.js';
import { ResidualBlocks, encoder, encoderWidths } from './encoder.js';
import type { NetworkGraph, Activation } from './graph.js';
import { convolution, depthToSpace, groupNorm, silu } from './layers.js';

/**
 * A U-Net (Ronneberger et al. 2015) in the manner of DDPM++ (Song et al. 2021, appendix H): residual blocks with group
 * normalisation and SiLU that the embedding modulates, self-attention at chosen levels. Every level hands one value
 * across, after its blocks on the way down. The last layer starts at zero.
 *
 * @param x [N, channels, height, width]
 * @param embedding [N, width of the embedding]
 * @returns a value in the shape of x
 */
export function unet(
  g: NetworkGraph,
  x: Activation,
  embedding: Activation,
  settings: Levels & { readonly dropout: number },
): Activation {
  const { channels, stem, attention: attentive } = settings;
  const fine = channels.slice(0, -1);
  const up = fine.flatMap((width, level) => Array<number>(settings.blocks[level]!).fill(width)).reverse();
  const blocks = new ResidualBlocks(g, embedding, [...encoderWidths(settings), ...up], settings.dropout);
  const { skips, coarsest } = encoder(g, x, blocks, settings);
  let h = coarsest;
  for (let level = fine.length - 1; level >= 0; level--) {
    const width = fine[level]!;
    h = depthToSpace(g, convolution(g, `up.${level}`, h, 4 * width, { kernel: 1 }));
    const skip = skips[level]!;
    const joined = g.op('Concat', [h, skip], [2 * width, ...skip.shape.slice(1)], { axis: 1 });
    h = convolution(g, `merge.${level}`, joined, width, { kernel: 1 });
    h = blocks.run(`decoder.${level}`, h, settings.blocks[level]!, attentive.has(level));
  }
  const outputs = x.shape[0]! * stem ** 2;
  const head = convolution(g, 'head', silu(g, groupNorm(g, 'norm', h)), outputs, { start: 'zero' });
  return stem === 2 ? depthToSpace(g, head) : head;
}
