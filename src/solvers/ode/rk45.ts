import { solverOptions } from '../names.js';
import { checkChoice, checkKnown } from '../../options.js';
import { checkStop } from '../../sde/constants.js';
import {
  checkFlowTolerances,
  integrateFlow,
  jumpsOf,
  type FlowTolerances,
  type Variable,
} from './flow-integration.js';
import { levelAt } from '../../sde/level.js';
import { PARTS, parts } from './parts.js';
import type { Plan, Solver } from '../solver.js';
import { denoise as denoiseAt } from '../walk.js';
import { betweenLevels, levelDoubts, startOf } from '../process-record.js';
import { ProbabilityFlow } from './probability-flow-ode.js';

/** Options of {@link rk45}. */
export interface Rk45Options extends FlowTolerances {
  /** What the ODE is integrated in. Default `t`, as published. */
  readonly variable?: Variable;
  /** Time at which sampling stops. Default: the SDE's (1e-3 for VP and sub-VP, 1e-5 for VE). */
  readonly epsilon?: number;
  /** `tweedie` (default): one more evaluation at epsilon gives the posterior mean of x_0. `none`: x at epsilon. */
  readonly denoise?: 'tweedie' | 'none';
}

/**
 * Samples by the probability-flow ODE from a draw of the prior, in double precision, with adaptive steps of
 * Dormand-Prince 5(4) (Song et al. 2021, section 4.3 and appendix D.4).
 *
 * Its plan counts hundredths of the way in time instead of steps; what observers see there is the dense output.
 */
export function rk45(options: Rk45Options = {}): Solver {
  checkKnown(options, solverOptions.rk45);
  const tolerances = checkFlowTolerances(options, 't');
  const { denoise = 'tweedie' } = options;
  checkChoice('denoise', denoise, ['tweedie', 'none']);
  return {
    name: 'rk45',
    plan(model): Plan {
      const { sde } = model;
      const epsilon = checkStop(options.epsilon ?? sde.epsilon, sde);
      return {
        steps: PARTS,
        options: {
          solver: 'rk45',
          ...tolerances,
          epsilon,
          denoise,
          ...startOf(model),
          ...betweenLevels(model),
        },
        warnings: levelDoubts(model),
        async run(batch, observer) {
          const { device, first, labels, signal } = batch;
          const x = device.allocate(batch.x.length, 'double');
          batch.copy(x, batch.x);
          const flow = new ProbabilityFlow(model, { device, first, labels, signal });
          const { evaluations, rejected } = await integrateFlow(flow, sde, [x], {
            jumps: jumpsOf(model),
            ...tolerances,
            from: sde.T,
            to: epsilon,
            device,
            first,
            output: parts(batch, epsilon, observer),
          });
          batch.copy(batch.x, x);
          batch.adapted(evaluations, rejected, flow.networks);
          if (denoise === 'tweedie') await denoiseAt(batch, levelAt(model, epsilon), PARTS);
        },
      };
    },
  };
}
