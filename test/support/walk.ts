import type { ScoreModel } from '../../src/score/model.js';
import { levelAt } from '../../src/sde/level.js';
import { stepsBetween, type Step } from '../../src/sde/grid.js';
import { Batch } from '../../src/solvers/batch.js';
import { namedPredictor, type Named } from '../../src/solvers/named.js';
import type { PredictorName } from '../../src/solvers/names.js';
import type { Predictor } from '../../src/solvers/predictor.js';
import { walk } from '../../src/solvers/walk.js';

/** The steps between levels at these times. */
export function stepsAt(model: ScoreModel, times: Iterable<number>): Step[] {
  const { sde } = model;
  return stepsBetween(
    Array.from(times, (t) => levelAt(model, t)),
    ({ t: from }, { t: to }) => ({ h: from - to, ...sde.transition(to, from) }),
  );
}

/** Carries points over a grid by a predictor alone, in double precision and without noise where `seed` is absent. */
export async function carry(
  model: ScoreModel,
  x: Float64Array,
  method: Named<PredictorName, Predictor>,
  steps: readonly Step[],
  { seed, size = x.length / 2 }: { seed?: bigint; size?: number } = {},
): Promise<Batch> {
  const predictor = namedPredictor(method);
  const batch = new Batch(model, { size, first: 0, seed: seed ?? 0n, precision: 'double' });
  batch.write(x);
  const move = predictor.begin(batch, steps);
  await walk(
    batch,
    steps.map((step) => [
      {
        at: step.from,
        to: step.to,
        move: () => move(step, seed === undefined ? undefined : batch.noise(1, step.k)),
        blind: predictor.blind?.(step),
      },
    ]),
    {},
  );
  return batch;
}
