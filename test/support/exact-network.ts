import { exactScore } from './gaussian-image.js';
import { ddpmLadder, linearBetas } from '../../src/sde/ladder.js';
import { levelAt } from '../../src/sde/level.js';
import { sdeFromName } from '../../src/sde/named.js';
import type { SdeName } from '../../src/sde/names.js';
import type { Parameterization } from '../../src/score/model.js';
import type { ModelDescription } from '../../src/score/network/description.js';
import { defaultLabels, labelRule } from '../../src/score/network/labels.js';
import type { Rows } from '../../src/score/network/network.js';
import { scoreCoefficients } from '../../src/score/parameterization.js';

export interface Runner {
  run(rows: Rows, output: Float32Array): Promise<void>;
}

/** The score of one sample at a level. */
type Score = (x: Float32Array, level: { alpha: number; sigma: number }) => ArrayLike<number>;

/** A network with this score, which recovers the level from its label. */
export function exact(description: ModelDescription, score: Score): Runner {
  const elements = description.shape.reduce((product, size) => product * size, 1);
  const { sde, labels, levels, ladder, parameterization, sigmaData } = description;
  const pointOf = (label: number) => {
    if (ladder) return levelAt(description, 0, Math.round(label));
    const labelAt = (t: number) => labels.label(levelAt(description, t), levels);
    const rises = labelAt(sde.T) > labelAt(sde.epsilon);
    let [low, high] = [sde.epsilon, sde.T];
    for (let i = 0; i < 60; i++) {
      const t = (low + high) / 2;
      if (labelAt(t) < label === rises) low = t;
      else high = t;
    }
    return levelAt(description, (low + high) / 2);
  };
  return {
    run({ x, time }, output) {
      const points = new Map(Array.from(new Set(time), (label) => [label, pointOf(label)]));
      time.forEach((label, row) => {
        const { alpha, sigma } = points.get(label)!;
        const { state, output: gain } = scoreCoefficients(parameterization, { alpha, sigma }, sigmaData);
        const own = x.subarray(row * elements, (row + 1) * elements);
        const values = score(own, { alpha, sigma });
        for (const [i, value] of own.entries())
          output[row * elements + i] = (values[i]! - state * value) / gain;
      });
      return Promise.resolve();
    },
  };
}

/** A network that is right for pictures of one grey, with a little noise. */
export function greys(own: ModelDescription): Runner {
  return exact(own, (x, level) => exactScore(x, { mean: 0, a: 0.7, s: 0.1 }, level));
}

export function description(
  name: SdeName,
  parameterization: Parameterization,
  shape: number[],
  discrete = false,
): ModelDescription {
  const sde = sdeFromName(name);
  const ladder = discrete ? ddpmLadder(linearBetas(1000)) : undefined;
  return {
    sde,
    ...(ladder && { ladder }),
    parameterization,
    sigmaData: 0.5,
    labels: labelRule(defaultLabels(name, parameterization, discrete)),
    levels: 1000,
    shape,
  };
}
