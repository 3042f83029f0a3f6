import { readFileSync } from 'node:fs';
import test from 'ava';
import { timeGrid } from '../../src/sde/grid.js';
import { sdeFromName } from '../../src/sde/named.js';
import { ald, langevin } from '../../src/solvers/correctors/langevin.js';
import { namedPredictor } from '../../src/solvers/named.js';
import type { PredictorName } from '../../src/solvers/names.js';
import type { Update } from '../../src/solvers/batch.js';
import { scalarsOf } from '../support/scalars.js';
import type { Sde } from '../../src/sde/sde.js';
import type { Step } from '../../src/sde/grid.js';

interface Case {
  sde: 'vp' | 'subvp' | 've';
  levels: number;
  position: number;
  t: number;
  method: PredictorName | 'langevin' | 'ald';
  state: number[];
  mean: number[];
}

interface Fixture {
  x: number[];
  score: number[];
  noise: number[];
  cases: Case[];
}

const fixture = JSON.parse(readFileSync('test/fixtures/reference-steps.json', 'utf8')) as Fixture;

function update(method: Case['method'], step: Step, sde: Sde): Update {
  if (method === 'langevin') return scalarsOf(langevin({ norm: 'batch' }), step, sde, ratio());
  return scalarsOf(method === 'ald' ? ald() : namedPredictor(method), step, sde);
}

/** Mean noise norm over mean score norm, of the two samples in the fixture. */
function ratio(): number {
  const mean = (values: number[]) => (Math.hypot(...values.slice(0, 5)) + Math.hypot(...values.slice(5))) / 2;
  return mean(fixture.noise) / mean(fixture.score);
}

test('one-step updates equal those of the reference implementation for the same noise', (t) => {
  const { x, score, noise } = fixture;
  t.true(fixture.cases.length > 80);
  for (const { sde: name, levels, position, t: time, method, state, mean } of fixture.cases) {
    const sde = sdeFromName(name);
    const grid = timeGrid(sde, { steps: levels, grid: 'reference', epsilon: 1e-3 });
    const step = grid[position]!;
    const u = update(method, { ...step, from: { ...step.from, t: time } }, sde);
    const where = `${name} ${method}, ${levels} levels, position ${position}`;
    // The reference computes its ladders in float32 tables.
    const close = (actual: number, expected: number) =>
      Math.abs(actual - expected) <= 2e-5 * (1 + Math.abs(expected));
    for (let i = 0; i < x.length; i++) {
      const m = u.state * x[i]! + u.score * score[i]!;
      t.true(close(m, mean[i]!), `${where}: mean ${m} against ${mean[i]!}`);
      const value = m + u.noise * noise[i]!;
      t.true(close(value, state[i]!), `${where}: ${value} against ${state[i]!}`);
    }
  }
});
