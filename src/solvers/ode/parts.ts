import { levelAt } from '../../sde/level.js';
import type { Batch } from '../batch.js';
import type { Observer } from '../solver.js';
import type { DenseOutput } from './dense-output.js';

/** Equal parts of the way from T to epsilon at which an adaptive run reports: the steps of its plan. */
export const PARTS = 100;

/** Dense output that shows an observer the batch at the beginning of each part. */
export function parts(batch: Batch, epsilon: number, observer: Observer): DenseOutput {
  const { model } = batch;
  const { T } = model.sde;
  const times = Float64Array.from({ length: PARTS + 1 }, (_, k) =>
    k === PARTS ? epsilon : T - (k / PARTS) * (T - epsilon),
  );
  return {
    times,
    blind: !observer.evaluated,
    async visit(k, state, slope) {
      if (k > 0) await observer.stepped?.(k - 1, batch);
      if (k === PARTS || !observer.evaluated) return;
      batch.place(levelAt(model, times[k]!), state, slope);
      await observer.evaluated(k, batch.level, batch);
    },
  };
}
