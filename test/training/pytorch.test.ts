import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import test from 'ava';

import { parameterNames, parameterValues } from '../../src/autodiff/parameters.js';
import type { TrainProgress } from '../../src/training/results.js';
import { train } from '../../src/training/train.js';
import { relativeDifference } from '../support/training-runs.js';
import { referenceRuns } from '../support/training-reference.js';

/** What scripts/training/reference.py took from PyTorch. */
interface Expected {
  /** Of each step: the loss, and the norm of its gradient before clipping. */
  losses: number[];
  norms: number[];
  /** For each moving average and tensor at the end: its norm, and its inner product with cos(0), cos(1), ... */
  averages: Record<string, [number, number]>[];
}

for (const [name, { network, data, options }] of Object.entries(referenceRuns)) {
  test(`20 steps of the ${name} are those of PyTorch's autograd, clipping, AdamW and averages`, async (t) => {
    const text = await readFile(join('test', 'fixtures', 'training', `${name}.json`), 'utf8');
    const expected = JSON.parse(text) as Expected;
    const run = train(await network(), data, { ...options, workers: 2, progressEvery: 1 });
    const progress: TrainProgress[] = [];
    for await (const each of run) progress.push(each);
    t.true(expected.norms.every((norm) => norm > (options.clip ?? 1)));
    const differences = {
      losses: relativeDifference(
        progress.map(({ loss }) => loss),
        expected.losses,
      ),
      norms: relativeDifference(
        progress.map(({ gradientNorm }) => gradientNorm),
        expected.norms,
      ),
    };
    t.true(differences.losses < 1e-4 && differences.norms < 1e-4, JSON.stringify(differences));

    const { averages } = await run;
    for (const [k, model] of averages.entries()) {
      const names = parameterNames(model, 'all');
      t.deepEqual(names.toSorted(), Object.keys(expected.averages[k]!).sort());
      for (const [parameter, values] of parameterValues(model, names)) {
        const [norm, product] = expected.averages[k]![parameter]!;
        const ours = [Math.hypot(...values), values.reduce((sum, value, i) => sum + value * Math.cos(i), 0)];
        const error = Math.max(Math.abs(ours[0]! - norm), Math.abs(ours[1]! - product)) / norm;
        t.true(error < 1e-4, `${parameter} in average ${k}: ${error}`);
      }
    }
  });
}
