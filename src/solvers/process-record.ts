import type { ScoreModel } from '../score/model.js';

/** How a model of trained levels is evaluated between them, for the record of a run that does that. */
export function betweenLevels({ ladder }: ScoreModel): { betweenLevels?: 'nearest' | 'interpolated' } {
  return ladder ? { betweenLevels: ladder.nearest ? 'nearest' : 'interpolated' } : {};
}

/** What is to be said of evaluations between trained levels. */
export function levelDoubts({ ladder }: ScoreModel): string[] {
  if (!ladder?.nearest) return [];
  return [
    `The network takes integers as its time: between two of its ${ladder.levels} levels it is evaluated at the nearer one.`,
  ];
}

/** Where a run starts, for its record: of a process that ends without signal not every method starts at that end. */
export function startOf({ sde }: ScoreModel, t: number = sde.T): { start?: number } {
  return sde.noiseTime === undefined ? {} : { start: t };
}
