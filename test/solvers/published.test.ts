import { readFileSync } from 'node:fs';
import test from 'ava';
import { mixtureModel } from '../../src/score/mixture/model.js';
import { edm } from '../../src/sde/edm.js';
import { spacedTimes, stepsBetween } from '../../src/sde/grid.js';
import type { Level } from '../../src/sde/level.js';
import type { Grid } from '../../src/sde/grid.js';
import type { Described } from '../../src/solvers/named.js';
import type { PredictorName } from '../../src/solvers/names.js';
import { planar } from '../support/planar-mixture.js';
import { carry } from '../support/walk.js';

/** What scripts/parity/published.py writes: states of published packages, in double precision and without noise. */
interface Fixture {
  readonly versions: Readonly<Record<string, string>>;
  readonly grids: readonly {
    readonly grid: Grid;
    readonly rho?: number;
    readonly sigmas: readonly number[];
  }[];
  readonly cases: readonly Case[];
}

interface Case {
  readonly package: string;
  readonly sampler: string;
  readonly ours: Described<PredictorName>;
  /** Why it is not the same. */
  readonly differs?: string;
  /** alpha and sigma. */
  readonly levels: readonly (readonly [number, number])[];
  readonly start: readonly number[];
  readonly end: readonly number[];
}

const fixture = JSON.parse(readFileSync('test/fixtures/published.json', 'utf8')) as Fixture;
const model = mixtureModel(planar, edm());

/** A level that is known by alpha and sigma alone; its time, which EDM has in sigma / alpha, is for interpolations in it. */
const levelOf = ([alpha, sigma]: readonly [number, number]): Level => ({
  ...{ t: sigma / alpha, alpha, sigma },
  lambda: Math.log(alpha / sigma),
});

/** Where ours ends from where theirs starts. */
async function end({ ours, levels, start }: Case): Promise<ArrayLike<number>> {
  const steps = stepsBetween(levels.map(levelOf), (from, to) => {
    const retain = from.alpha / to.alpha;
    return { h: from.t - to.t, retain, spread: from.sigma ** 2 - (retain * to.sigma) ** 2 };
  });
  const batch = await carry(model, Float64Array.from(start), ours, steps);
  return batch.read();
}

for (const one of fixture.cases) {
  const { differs } = one;
  const relation = differs === undefined ? 'is' : 'is not';
  const ours = Object.values(one.ours).join(' ');
  test(`${one.package}: ${one.sampler} ${relation} ${ours}${differs ? `: ${differs}` : ''}`, async (t) => {
    const x = await end(one);
    const error = Math.max(...one.end.map((value, i) => Math.abs(x[i]! - value)));
    t.log(`largest difference ${error.toExponential(1)}`);
    t.true(differs === undefined ? error < 1e-10 : error > 1e-6, `differs by ${error}`);
  });
}

for (const { grid, rho, sigmas } of fixture.grids) {
  test(`k-diffusion: the grid ${String(grid)} ${rho ?? ''} has our levels`, (t) => {
    const times = spacedTimes(edm(), { grid, rho, steps: sigmas.length - 1, epsilon: 0.002 });
    sigmas.forEach((sigma, i) => {
      t.true(Math.abs(times[i]! / sigma - 1) < 1e-12, `${times[i]} against ${sigma}`);
    });
  });
}
