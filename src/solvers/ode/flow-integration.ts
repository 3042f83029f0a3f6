import { IntegrationError } from '../../errors.js';
import { checkChoice } from '../../options.js';
import type { Sde } from '../../sde/sde.js';
import {
  checkTolerances,
  integrateAdaptively,
  type AdaptiveOptions,
  type Evaluations,
  type Tolerances,
} from './adaptive-step.js';
import { cpu } from '../../device/cpu.js';
import type { Device, Elements } from '../../device/device.js';
import { advance, after, type Blocks, type Ode } from './ode.js';

/**
 * What a probability-flow ODE is integrated in. The published code integrates in `t`. In `lambda`, half the log
 * signal-to-noise ratio, the likelihood of a picture under VP, nearly all of whose change is close to the data, takes a third
 * fewer evaluations at one error; that of points takes up to twice as many. For VE the two differ by a constant factor.
 */
export type Variable = 'lambda' | 't';

export interface FlowTolerances extends Tolerances {
  /** What the ODE is integrated in. */
  readonly variable?: Variable;
}

/** The tolerances with their defaults, and `variable` with the one that is given here. */
export function checkFlowTolerances(options: FlowTolerances, variable: Variable): Required<FlowTolerances> {
  const chosen = checkChoice('variable', options.variable ?? variable, ['lambda', 't']);
  return { ...checkTolerances(options), variable: chosen };
}

/**
 * Integrates an ODE in the time of an SDE by {@link integrateAdaptively}, with steps in `variable`. All times in `options`
 * are t, and so are those that the callbacks see.
 */
export async function integrateFlow(
  ode: Ode,
  sde: Sde,
  y: Blocks,
  { variable, ...options }: AdaptiveOptions & { readonly variable: Variable },
): Promise<Evaluations> {
  if (variable === 't') return integrateAdaptively(ode, y, options);
  const { device = cpu, from, to, output, onProgress } = options;
  let inTime: Elements | undefined;
  try {
    return await integrateAdaptively(new InLambda(device, ode, sde), y, {
      ...options,
      from: sde.lambda(from),
      to: sde.lambda(to),
      ...(output && {
        output: {
          times: Array.from(output.times, (t) => sde.lambda(t)),
          visit(k, state, slope) {
            inTime ??= device.allocate(slope.length, 'double');
            device.affine(inTime, [slope], Float64Array.of(1 / timePerLambda(sde, output.times[k]!), 0));
            return output.visit(k, state, inTime);
          },
        },
      }),
      ...(onProgress && {
        onProgress: (lambda: number) => {
          onProgress(sde.timeOfLambda(lambda));
        },
      }),
    });
  } catch (error) {
    if (!(error instanceof IntegrationError)) throw error;
    throw new IntegrationError(error.sample, sde.timeOfLambda(error.time), error.tolerances);
  }
}

/** dy/dlambda = dy/dt dt/dlambda. */
class InLambda implements Ode {
  readonly widths: readonly number[];
  readonly #device: Device;
  readonly #ode: Ode;
  readonly #sde: Sde;

  constructor(device: Device, ode: Ode, sde: Sde) {
    this.widths = ode.widths;
    this.#device = device;
    this.#ode = ode;
    this.#sde = sde;
  }

  derivative(lambda: Float64Array, y: Blocks, out: Blocks, rows: Int32Array): void | Promise<void> {
    const t = lambda.map((value) => this.#sde.timeOfLambda(value));
    return after(this.#ode.derivative(t, y, out, rows), () => {
      const factors = t.map((time) => timePerLambda(this.#sde, time));
      advance(this.#device, out, undefined, [out], [1], factors);
    });
  }
}

/** dt/dlambda = -2 sigma^2 / g^2, for every SDE of scalar-linear drift. */
function timePerLambda(sde: Sde, t: number): number {
  return -2 * (sde.sigma(t) / sde.diffusion(t)) ** 2;
}
