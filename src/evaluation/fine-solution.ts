import type { ScoreModel } from '../score/model.js';
import { rk45 } from '../solvers/ode/rk45.js';
import type { Plan, Solver } from '../solvers/solver.js';

/** Tolerance at which an integration is much closer to the solution than any sampler: that of float32 networks, or of closed forms. */
export function fineTolerance(model: ScoreModel): number {
  return model.closedForm ? 1e-9 : 1e-5;
}

/**
 * What solves the probability-flow ODE finely up to where a sampler stops, and removes the last noise as it does.
 *
 * @returns The solver, and what it is.
 */
export function fineSolver(
  model: ScoreModel,
  { options }: Pick<Plan, 'options'>,
  tolerance: number,
): { label: string; solver: Solver } {
  const { epsilon = model.sde.epsilon, denoise } = options;
  const end = typeof epsilon === 'number' ? epsilon : model.sde.epsilon;
  // The mean of a last step is an estimate of the denoised sample.
  const kept = denoise === 'none' ? 'none' : 'tweedie';
  const notes = [
    ...(end === model.sde.epsilon ? [] : [`to t ${end}`]),
    ...(kept === 'none' ? ['not denoised'] : []),
  ];
  return {
    label: `fine ODE solution${notes.length === 0 ? '' : ` (${notes.join(', ')})`}`,
    solver: rk45({ rtol: tolerance, atol: tolerance, variable: 'lambda', epsilon: end, denoise: kept }),
  };
}
