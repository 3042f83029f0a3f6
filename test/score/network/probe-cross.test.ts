import test from 'ava';
import type { Parameterization } from '../../../src/score/model.js';
import type { ModelDescription } from '../../../src/score/network/description.js';
import { labelRule } from '../../../src/score/network/labels.js';
import { scoreCoefficients } from '../../../src/score/parameterization.js';
import { probe } from '../../../src/score/network/probe.js';
import { ladderFromName } from '../../../src/sde/named-ladder.js';
import type { LadderName, SdeName } from '../../../src/sde/names.js';
import { description, type Runner } from '../../support/exact-network.js';
import { exactScore, PIXELS } from '../../support/gaussian-image.js';

/** A published convention: what a network makes of its label, and how it is read. */
interface Convention {
  readonly reading: ModelDescription;
  readonly levelOf: (label: number) => { alpha: number; sigma: number };
}

const shape = [1, 8, 8];

function continuous(
  sde: SdeName,
  parameterization: Parameterization,
  labels: string,
  levelOf: Convention['levelOf'],
): Convention {
  return { reading: { ...description(sde, parameterization, shape), labels: labelRule(labels) }, levelOf };
}

function discrete(name: LadderName): Convention {
  const ladder = ladderFromName({ name });
  const { alpha, sigma } = ladder;
  return {
    reading: { ...description('vp', 'eps', shape, true), ladder },
    levelOf: (index) => ({ alpha: alpha[index]!, sigma: sigma[index]! }),
  };
}

const ladders = {
  linear: discrete('linear'),
  'scaled-linear': discrete('scaled-linear'),
  cosine: discrete('cosine'),
};

/** Of Song et al. 2021, equation 29, with beta from 0.1 to 20. */
function vpLevel(t: number): { alpha: number; sigma: number } {
  const alpha = Math.exp(-0.25 * t ** 2 * 19.9 - 0.05 * t);
  return { alpha, sigma: Math.sqrt(1 - alpha ** 2) };
}

const times = {
  songvp: continuous('vp', 'eps', 't*999', (label) => vpLevel(label / 999)),
  subvp: continuous('subvp', 'eps', 't*999', (label) => {
    const { alpha, sigma } = vpLevel(label / 999);
    return { alpha, sigma: sigma ** 2 };
  }),
  songve: continuous('ve', 'score', 'sigma', (sigma) => ({ alpha: 1, sigma })),
  flow: continuous('flow', 'flow', 't', (t) => ({ alpha: 1 - t, sigma: t })),
  D: continuous('edm', 'x0', 'sigma', (sigma) => ({ alpha: 1, sigma })),
  F: continuous('edm', 'edm', 'c-noise', (label) => ({ alpha: 1, sigma: Math.exp(4 * label) })),
};

/** The exact network for pictures of one grey with a little noise, at any label. */
function network({ levelOf, reading: { parameterization } }: Convention): Runner {
  return {
    run({ x, time, scale }, output) {
      for (const [row, label] of time.entries()) {
        const level = levelOf(label);
        // The network of EDM takes c_in x.
        const own = parameterization === 'edm' ? Math.hypot(level.sigma, 0.5) : 1;
        const factor = own * (scale?.[row] ?? 1);
        const state = x.subarray(row * PIXELS, (row + 1) * PIXELS).map((value) => factor * value);
        const gains = scoreCoefficients(parameterization, level, 0.5);
        exactScore(state, { mean: 0, a: 0.7, s: 0.1 }, level).forEach((score, i) => {
          output[row * PIXELS + i] = (score - gains.state * state[i]!) / gains.output;
        });
      }
      return Promise.resolve();
    },
  };
}

for (const family of [ladders, times] as Record<string, Convention>[]) {
  for (const [name, convention] of Object.entries(family)) {
    test(`${name} is what it says`, async (t) => {
      t.deepEqual((await probe(network(convention), convention.reading)).findings, []);
    });
    for (const [other, { reading }] of Object.entries(family)) {
      if (other === name) continue;
      test(`${name} read as ${other} is not passed over`, async (t) => {
        const { findings } = await probe(network(convention), reading);
        t.true(findings.length > 0);
        t.notRegex(findings[0]!.message, /zero-terminal-snr/, 'eps says nothing where no signal is left');
      });
    }
  }
}

test('D(x, sigma) is not passed over under processes that scale data, whatever its labels', async (t) => {
  for (const sde of ['vp', 'subvp', 'flow'] as const) {
    for (const labels of ['sigma', '1-t', 't', 't*999', 'c-noise']) {
      const reading = { ...description(sde, 'x0', shape), labels: labelRule(labels) };
      const { findings } = await probe(network(times.D), reading);
      t.true(findings.length > 0, `${sde}, ${labels}`);
    }
  }
  const told = { ...description('ve', 'x0', shape), labels: labelRule('t*999') };
  t.like((await probe(network(times.D), told)).findings[0], { cause: 'labels', flag: "--labels 'sigma'" });
});
