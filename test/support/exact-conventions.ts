import type { Parameterization } from '../../src/score/model.js';
import type { ModelDescription } from '../../src/score/network/description.js';
import { labelRule } from '../../src/score/network/labels.js';
import { scoreCoefficients } from '../../src/score/parameterization.js';
import { geometricSigmas, smldLadder } from '../../src/sde/ladder.js';
import { ladderFromName } from '../../src/sde/named-ladder.js';
import { sdeFromName } from '../../src/sde/named.js';
import type { LadderName, SdeName } from '../../src/sde/names.js';
import type { Ladder } from '../../src/sde/sde.js';
import { description, type Runner } from './exact-network.js';

/** A published convention: what a network makes of its label, and how it is read. */
export interface Convention {
  readonly reading: ModelDescription;
  readonly levelOf: (label: number) => { alpha: number; sigma: number };
}

/** The score of one sample at a level. */
export type LawScore = (x: Float32Array, level: { alpha: number; sigma: number }) => ArrayLike<number>;

export const shape: number[] = [1, 8, 8];
const PIXELS = 64;

function continuous(
  name: SdeName,
  parameterization: Parameterization,
  labels: string,
  levelOf: Convention['levelOf'],
  constants: Record<string, number> = {},
): Convention {
  const own = description(name, parameterization, shape);
  return { reading: { ...own, sde: sdeFromName(name, constants), labels: labelRule(labels) }, levelOf };
}

function onLadder(
  sde: SdeName,
  parameterization: Parameterization,
  labels: string,
  ladder: Ladder,
): Convention {
  const { alpha, sigma, levels } = ladder;
  const index = (label: number) => (labels === 'index' ? label : levels - 1 - label);
  return {
    reading: { ...description(sde, parameterization, shape), ladder, levels, labels: labelRule(labels) },
    levelOf: (label) => {
      const i = Math.round(index(label));
      if (i < 0 || i >= levels) throw new RangeError(`no level ${i} of ${levels}`);
      return { alpha: alpha[i]!, sigma: sigma[i]! };
    },
  };
}

function discrete(
  name: LadderName,
  parameterization: Parameterization = 'eps',
  zeroTerminalSnr = false,
): Convention {
  return onLadder('vp', parameterization, 'index', ladderFromName({ name, zeroTerminalSnr }));
}

/** Of Song et al. 2021, equation 29, with beta from 0.1 to 20. */
function vpLevel(t: number): { alpha: number; sigma: number } {
  const alpha = Math.exp(-0.25 * t ** 2 * 19.9 - 0.05 * t);
  return { alpha, sigma: Math.sqrt(1 - alpha ** 2) };
}

const ve = (sigma: number) => ({ alpha: 1, sigma });
const straight = (t: number) => ({ alpha: 1 - t, sigma: t });

/** Networks of trained levels. */
export const ladders: Readonly<Record<string, Convention>> = {
  linear: discrete('linear'),
  'scaled-linear': discrete('scaled-linear'),
  cosine: discrete('cosine'),
};

/** Networks of continuous times. */
export const times: Readonly<Record<string, Convention>> = {
  songvp: continuous('vp', 'eps', 't*999', (label) => vpLevel(label / 999)),
  subvp: continuous('subvp', 'eps', 't*999', (label) => {
    const { alpha, sigma } = vpLevel(label / 999);
    return { alpha, sigma: sigma ** 2 };
  }),
  songve: continuous('ve', 'score', 'sigma', ve),
  flow: continuous('flow', 'flow', 't', straight),
  D: continuous('edm', 'x0', 'sigma', ve),
  F: continuous('edm', 'edm', 'c-noise', (label) => ve(Math.exp(4 * label))),
};

/** The other readings of the table in docs/export.md. */
export const others: Readonly<Record<string, Convention>> = {
  'scaled-linear-v-zero': discrete('scaled-linear', 'v', true),
  'sigmoid-v': discrete('sigmoid', 'v'),
  ncsnv2: onLadder('ve', 'score', 'reversed-index', smldLadder(geometricSigmas(232, 0.01, 50))),
  scorenet: continuous('ve', 'score', 'sigma', ve, { sigmaMax: 9.85 }),
  'flow-1000': continuous('flow', 'flow', 't*1000', (label) => straight(label / 1000)),
  cfm: continuous('flow', 'reversed-flow', '1-t', (label) => straight(1 - label)),
  'dpm-solver': continuous('vp', 'eps', 'dpm-solver', (label) => vpLevel(label / 1000 + 1 / 1000)),
  'F-sigma': continuous('edm', 'edm', 'sigma', ve),
  'azula-ve': continuous('ve', 'x0', 't', (t) => ve(0.001 * 1e6 ** t), { sigmaMin: 0.001, sigmaMax: 1000 }),
};

/** The exact network of a law, at any label. */
export function exactNetwork(
  { levelOf, reading: { parameterization, sigmaData } }: Convention,
  score: LawScore,
): Runner {
  return {
    run({ x, time, scale }, output) {
      for (const [row, label] of time.entries()) {
        const level = levelOf(label);
        // The network of EDM takes c_in x.
        const own = parameterization === 'edm' ? Math.hypot(level.sigma, sigmaData) : 1;
        const factor = own * (scale?.[row] ?? 1);
        const state = x.subarray(row * PIXELS, (row + 1) * PIXELS).map((value) => factor * value);
        const gains = scoreCoefficients(parameterization, level, sigmaData);
        const values = score(state, level);
        for (const [i, value] of state.entries())
          output[row * PIXELS + i] = (values[i]! - gains.state * value) / gains.output;
      }
      return Promise.resolve();
    },
  };
}
