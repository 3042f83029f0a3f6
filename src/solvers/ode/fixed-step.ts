import { checkChoice, checkInteger } from '../../options.js';
import { spacedTimes, type Spacing } from '../../sde/grid.js';
import { specified } from '../../specification.js';
import { ProbabilityFlow, requireContinuousTime, show } from './probability-flow-ode.js';
import { integrateOnGrid, tableaus, type RungeKuttaMethod } from './runge-kutta.js';
import type { Plan, Solver } from '../solver.js';

export interface FixedStepOptions {
  /** Order 1, 2, 2 and 4, at 1, 2, 2 and 4 evaluations a step. Default `heun`. */
  readonly method?: RungeKuttaMethod;
  /** Default 100. */
  readonly steps?: number;
  /** Spacing of the times. Default `uniform-t`. */
  readonly spacing?: Spacing;
  /** Exponent of `karras` (default 7) and `power` (default 3). */
  readonly rho?: number;
  /** Time at which sampling stops. Default: the SDE's (1e-3 for VP and sub-VP, 1e-5 for VE). */
  readonly epsilon?: number;
  /** `tweedie` (default): one more evaluation at epsilon gives the posterior mean of x_0. `none`: x at epsilon. */
  readonly denoise?: 'tweedie' | 'none';
}

/** Samples by the probability-flow ODE from a draw of the prior, in double precision, with a Runge-Kutta method on a grid. */
export function fixedStep(options: FixedStepOptions = {}): Solver {
  const { method = 'heun', steps = 100, denoise = 'tweedie', ...grid } = options;
  checkChoice('method', method, ['euler', 'midpoint', 'heun', 'rk4']);
  checkInteger('steps', steps, 1);
  checkChoice('denoise', denoise, ['tweedie', 'none']);
  return specified('fixedStep', options, {
    name: method,
    plan(model): Plan {
      const times = spacedTimes(model.sde, { ...grid, steps });
      const epsilon = times[steps]!;
      requireContinuousTime(model);
      return {
        steps,
        options: { solver: method, steps, spacing: grid.spacing ?? 'uniform-t', epsilon, denoise },
        start: (batch) => {
          batch.drawPrior();
        },
        async run(batch, observer) {
          const x = Float64Array.from(batch.x);
          await integrateOnGrid(new ProbabilityFlow(model, batch), [x], times, tableaus[method], {
            evaluated(k, [state], [slope]) {
              show(batch, times[k]!, state!, slope!);
              observer.evaluated?.(k, { t: times[k]! }, batch);
            },
            stepped(k) {
              observer.stepped?.(k, batch);
            },
          });
          batch.counts.score += steps * tableaus[method].nodes.length;
          batch.x.set(x);
          if (denoise === 'none') return;
          await batch.evaluate({ t: epsilon }, steps, 'denoise');
          batch.estimate(batch.x, { t: epsilon });
        },
      };
    },
  });
}
