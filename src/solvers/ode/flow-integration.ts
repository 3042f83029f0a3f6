import { IntegrationError } from '../../errors.js';
import { checkChoice } from '../../options.js';
import type { ScoreModel } from '../../score/model.js';
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

/** How exactly the probability-flow ODE is integrated. */
export interface FlowTolerances extends Tolerances {
  /** What the ODE is integrated in. */
  readonly variable?: Variable;
}

/** The tolerances with their defaults, and `variable` with the one that is given here. */
export function checkFlowTolerances(options: FlowTolerances, variable: Variable): Required<FlowTolerances> {
  const chosen = checkChoice('variable', options.variable ?? variable, ['lambda', 't']);
  return { ...checkTolerances(options), variable: chosen };
}

/** Times just before and just after a jump of a field; the earlier one first. */
export type Jump = readonly [number, number];

/** How close to a jump an integration ends, and goes on, in noise levels. */
const BESIDE = 1e-9;

/** Where the score of a model jumps: at the ends of the interval in which it is guided. */
export function jumpsOf({ guidance, sde }: ScoreModel): Jump[] {
  const within = (noise: number) => noise > 0 && -Math.log((1 + BESIDE) * noise) > sde.lambda(sde.T);
  return (guidance?.interval ?? []).filter(within).map((noise): Jump => {
    const timeAt = (factor: number) => sde.timeOfLambda(-Math.log(factor * noise));
    return [timeAt(1 - BESIDE), timeAt(1 + BESIDE)];
  });
}

interface FlowIntegration extends AdaptiveOptions {
  readonly variable: Variable;
  /** Where the field jumps; an integration starts anew there, as its estimate of the error takes smooth fields alone. */
  readonly jumps?: readonly Jump[] | undefined;
}

/**
 * Integrates an ODE in the time of an SDE by {@link integrateAdaptively}, with steps in `variable`. All times in `options`
 * are t, and so are those that the callbacks see.
 */
export async function integrateFlow(
  ode: Ode,
  sde: Sde,
  y: Blocks,
  { jumps = [], ...options }: FlowIntegration,
): Promise<Evaluations> {
  const { from, to, output } = options;
  const forward = to >= from;
  const [least, most] = forward ? [from, to] : [to, from];
  const crossed = jumps
    .filter(([before, after]) => before > least && after < most)
    .map(([before, after]): Jump => (forward ? [before, after] : [after, before]))
    .sort((a, b) => (forward ? a[0] - b[0] : b[0] - a[0]));
  const starts = [from, ...crossed.map(([, resume]) => resume)];
  const ends = [...crossed.map(([end]) => end), to];
  let whole: Evaluations | undefined;
  let seen = 0;
  for (const [i, end] of ends.entries()) {
    const first = seen;
    const times = Array.from(output?.times ?? []).slice(first);
    const passed = times.findIndex((t) => (forward ? t > end : t < end));
    const own = passed < 0 ? times : times.slice(0, passed);
    seen += own.length;
    const part = await integrateSmoothly(ode, sde, y, {
      ...options,
      ...{ from: starts[i]!, to: end },
      ...(output && {
        output: { ...output, times: own, visit: (k, state, slope) => output.visit(first + k, state, slope) },
      }),
    });
    whole = whole ? added(whole, part) : part;
  }
  return whole!;
}

function added(a: Evaluations, b: Evaluations): Evaluations {
  return {
    evaluations: a.evaluations.map((count, i) => count + b.evaluations[i]!),
    rejected: a.rejected.map((count, i) => count + b.rejected[i]!),
  };
}

async function integrateSmoothly(
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
