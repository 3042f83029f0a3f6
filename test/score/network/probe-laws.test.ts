import test from 'ava';
import type { ModelDescription } from '../../../src/score/network/description.js';
import { defaultLabels, labelRule } from '../../../src/score/network/labels.js';
import type { Parameterization } from '../../../src/score/model.js';
import type { Rows } from '../../../src/score/network/network.js';
import { parameterizations, scoreCoefficients } from '../../../src/score/parameterization.js';
import { probe } from '../../../src/score/network/probe.js';
import { ddpmLadder, geometricSigmas, linearBetas, smldLadder } from '../../../src/sde/ladder.js';
import { sdeFromName } from '../../../src/sde/named.js';
import { levelAt } from '../../../src/sde/level.js';
import { sdeNames, type SdeName } from '../../../src/sde/names.js';

/**
 * A network that is right for white Gaussian data N(mean, std^2): the hardest data for the probe, since every level of
 * noise hides as much of them as their standard deviation allows. It recovers the point from its label.
 */
function whiteGaussian(
  description: ModelDescription,
  mean: number,
  std: number,
): { run(rows: Rows, output: Float32Array): Promise<void> } {
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
        for (let i = row * elements; i < (row + 1) * elements; i++) {
          const score = -(x[i]! - alpha * mean) / ((alpha * std) ** 2 + sigma ** 2);
          output[i] = (score - state * x[i]!) / gain;
        }
      });
      return Promise.resolve();
    },
  };
}

function description(
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

for (const name of sdeNames) {
  for (const parameterization of parameterizations) {
    test(`no false alarm for ${parameterization} under ${name}`, async (t) => {
      for (const shape of [[2], [64], [3, 16, 16]]) {
        for (const spread of [0.1, 0.3, 0.6, 1]) {
          const own = description(name, parameterization, shape);
          const [low, high] = own.sde.dataRange;
          const std = (spread * (high - low)) / 2;
          for (const mean of [0.35, 0.5].map((u) => low + u * (high - low))) {
            const report = await probe(whiteGaussian(own, mean, std), own);
            t.deepEqual(report.findings, [], `shape ${shape.join()}, std ${std}, mean ${mean}`);
          }
        }
      }
    });
  }
}

test('no false alarm on a ladder of trained levels', async (t) => {
  const own = description('vp', 'eps', [3, 8, 8], true);
  t.deepEqual((await probe(whiteGaussian(own, 0, 0.5), own)).findings, []);
});

test('no false alarm for NCSN, whose noise ends at the size of the data', async (t) => {
  const sde = sdeFromName('ve', { sigmaMax: 1 });
  const ladder = smldLadder(geometricSigmas(10, 0.01, 1));
  for (const parameterization of ['score', 'x0'] as const) {
    const base = description('ve', parameterization, [1, 28, 28]);
    const own = { ...base, sde, ladder, labels: labelRule('index'), levels: 10 };
    for (const std of [0.1, 0.25, 0.4]) {
      t.deepEqual((await probe(whiteGaussian(own, 0.4, std), own)).findings, []);
    }
  }
});

test('NaN is an error of its own', async (t) => {
  const own = description('vp', 'eps', [2]);
  const report = await probe({ run: (_, output) => Promise.resolve(void output.fill(NaN)) }, own);
  t.is(report.findings[0]?.cause, 'not-finite');
  t.is(report.findings[0]?.severity, 'error');
});

test('an untrained network is an error', async (t) => {
  const own = description('vp', 'eps', [64]);
  const report = await probe({ run: (_, output) => Promise.resolve(void output.fill(0)) }, own);
  t.is(report.findings[0]?.severity, 'error');
});

test('a flow that is read in the wrong direction, or at the wrong times, is told how to be read', async (t) => {
  const right = description('flow', 'flow', [3, 8, 8]);
  const network = whiteGaussian(right, 0, 0.5);
  for (const [change, flag] of [
    [{ parameterization: 'reversed-flow' }, '--parameterization flow'],
    [{ labels: labelRule('1-t') }, "--labels 't'"],
  ] as [Partial<ModelDescription>, string][]) {
    const report = await probe(network, { ...right, ...change });
    t.like(report.findings[0], { severity: 'error', flag });
  }
});
