import type { Levels } from './description.js';
import { modulations } from './embedding.js';
import type { NetworkGraph, Activation } from './graph.js';
import { attention, convolution, dropout, groupNorm, silu, spaceToDepth, type Modulation } from './layers.js';

/** Residual blocks with their modulations, in the order in which the network runs through them. */
export class ResidualBlocks {
  readonly #g: NetworkGraph;
  readonly #modulations: Modulation[];
  readonly #dropout: number;

  constructor(g: NetworkGraph, embedding: Activation, widths: readonly number[], dropout: number) {
    this.#g = g;
    this.#modulations = modulations(g, embedding, widths);
    this.#dropout = dropout;
  }

  /** The blocks of one level, with attention after the first where the level has it. */
  run(name: string, x: Activation, count: number, attentive: boolean): Activation {
    let h = x;
    for (let block = 0; block < count; block++) {
      h = this.#block(`${name}.${block}`, h);
      if (block === 0 && attentive) h = attention(this.#g, `${name}.attention`, h);
    }
    return h;
  }

  /** x + conv(dropout(silu(modulated norm(conv(silu(norm(x))))))), which starts as x. */
  #block(name: string, x: Activation): Activation {
    const g = this.#g;
    const channels = x.shape[0]!;
    const modulation = this.#modulations.shift()!;
    const h = convolution(g, `${name}.conv1`, silu(g, groupNorm(g, `${name}.norm1`, x)), channels);
    const modulated = silu(g, groupNorm(g, `${name}.norm2`, h, modulation));
    const kept = dropout(g, name, modulated, this.#dropout);
    return g.arithmetic('Add', x, convolution(g, `${name}.conv2`, kept, channels, { start: 'zero' }));
  }
}

/** The way down, level by level: the last value of each level but the coarsest, and the coarsest. */
export function encoder(
  g: NetworkGraph,
  x: Activation,
  blocks: ResidualBlocks,
  { channels, blocks: counts, attention, stem }: Levels,
): { skips: Activation[]; coarsest: Activation } {
  const skips: Activation[] = [];
  let h = convolution(g, 'stem', stem === 2 ? spaceToDepth(g, x) : x, channels[0]!);
  channels.forEach((_, level) => {
    if (level > 0) {
      skips.push(h);
      h = convolution(g, `down.${level - 1}`, h, channels[level]!, { stride: 2 });
    }
    h = blocks.run(`encoder.${level}`, h, counts[level]!, attention.has(level));
  });
  return { skips, coarsest: h };
}

/** The width of every residual block on the way down. */
export function encoderWidths({ channels, blocks }: Levels): number[] {
  return channels.flatMap((width, level) => Array<number>(blocks[level]!).fill(width));
}
