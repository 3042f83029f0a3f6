import { OptionError } from '../errors.js';
import { checkInteger } from '../options.js';

/** A budget of which more is a mistake. */
const MOST_EVALUATIONS = 1_000_000;

/**
 * The most steps that a budget of evaluations pays for; where a step takes several, some may be left over.
 *
 * @param budget evaluations of each sample, those of correctors and of the final denoising included.
 * @param planned the evaluations that so many steps take. They grow with the steps.
 * @param most steps that there can be.
 * @throws OptionError (`evaluations`) where the budget is below what one step takes.
 */
export function stepsWithin(budget: number, planned: (steps: number) => number, most: number): number {
  checkInteger('evaluations', budget, 1, MOST_EVALUATIONS);
  const least = planned(1);
  if (least > budget)
    throw new OptionError('evaluations', budget, `at least ${least}, which this sampler takes for one step`);
  // A step takes an evaluation, but for a first one that needs none.
  let [within, beyond] = [1, Math.min(most, budget + 1) + 1];
  // From few steps upwards, since their plans are small.
  for (let steps = 2; steps < beyond; steps *= 2) {
    if (planned(steps) <= budget) within = steps;
    else beyond = steps;
  }
  while (beyond - within > 1) {
    const middle = Math.floor((within + beyond) / 2);
    if (planned(middle) <= budget) within = middle;
    else beyond = middle;
  }
  return within;
}
