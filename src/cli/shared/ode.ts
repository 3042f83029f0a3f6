import type { Command } from 'commander';
import { defined } from '../../options.js';
import type { Variable } from '../../solvers/ode/flow-integration.js';
import { variables } from '../../solvers/names.js';
import type { IntegrationOptions } from '../../likelihood/integration.js';
import { addOptions, choice, integer, real } from './arguments.js';

/** Flags of the integration of the probability-flow ODE between epsilon and T. */
export interface OdeFlags {
  readonly rtol?: number;
  readonly atol?: number;
  readonly variable?: Variable;
  readonly epsilon?: number;
  readonly batch?: number;
}

/** Adds the flags of {@link OdeFlags} to a command. */
export function addOdeOptions(command: Command): void {
  addOptions(command, 'Probability-flow ODE:', [
    real('--rtol <tolerance>', 'relative tolerance (default: 1e-5)'),
    real('--atol <tolerance>', "absolute tolerance, in the model's own space (default: 1e-5)"),
    choice('--variable <name>', 'what it is integrated in', variables, 'lambda for pictures, t for points'),
    real(
      '--eps, --epsilon <t>',
      "time of the data, T is 1 (default: 1e-5 for vp, subvp and ve, else the SDE's)",
    ),
    integer('--batch <n>', 'samples that go through the network at once (default: all, at most 64)'),
  ]);
}

/** The options of the library that the flags stand for. */
export function odeOptions({ rtol, atol, variable, epsilon, batch }: OdeFlags): IntegrationOptions {
  return defined({ rtol, atol, variable, epsilon, batch });
}
