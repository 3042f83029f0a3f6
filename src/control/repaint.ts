import { Stream } from '../device/binding.js';
import { checkInteger } from '../options.js';
import { processGrid, type GridOptions, type Step } from '../sde/grid.js';
import type { Level } from '../sde/level.js';
import type { Batch } from '../solvers/batch.js';
import type { Move } from '../solvers/predictor.js';
import { ddim } from '../solvers/predictors/ddim.js';
import type { Plan, Solver } from '../solvers/solver.js';
import { denoise, walk, type Visit } from '../solvers/walk.js';

export interface RepaintOptions extends Omit<GridOptions, 'sigmaData'> {
  /** Steps that are gone back over at once. Default 10. */
  readonly jumpLength?: number | undefined;
  /** How often each of them is made. Default 10. */
  readonly resamples?: number | undefined;
}

/**
 * RePaint (Lugmayr et al. 2022): ancestral steps, in blocks of `jumpLength`, each of which is made `resamples` times: after it, noise
 * leads back to its start. What a constraint put in place has so often the chance to tell the rest. As `resamples` grows the rest
 * follows its law given what is known.
 */
export function repaint(options: RepaintOptions = {}): Solver {
  const { jumpLength = 10, resamples = 10, grid, rho, epsilon } = options;
  // Times that are given are as many as they are.
  const steps = options.steps ?? (typeof grid === 'object' ? undefined : 250);
  checkInteger('jumpLength', jumpLength, 1);
  checkInteger('resamples', resamples, 1);
  return {
    name: 'repaint',
    plan(model): Plan {
      const { sigmaData } = model;
      const made = processGrid(model, { steps, grid, rho, epsilon, sigmaData });
      // From the data there is no noise that leads back.
      const walked = made.filter(({ to }) => to.sigma > 0);
      const end = walked.at(-1)!.to;
      const schedule = scheduleOf(walked, jumpLength, resamples);
      return {
        steps: schedule.length,
        constrains: true,
        options: { solver: 'repaint', steps: walked.length, jumpLength, resamples, epsilon: end.t },
        async run(batch, observer) {
          const move = ddim({ eta: 1 }).begin(batch, walked);
          await walk(
            batch,
            schedule.map((part) => [visitOf(batch, move, part)]),
            observer,
          );
          await denoise(batch, end, schedule.length);
        },
      };
    },
  };
}

/** A step down, or a jump back up from the end of a block to its start, where step k begins; `visit` counts the repetitions. */
type Part =
  | { readonly visit: number; readonly step: Step }
  | { readonly visit: number; readonly k: number; readonly from: Level; readonly to: Level };

function scheduleOf(steps: readonly Step[], jumpLength: number, resamples: number): Part[] {
  const parts: Part[] = [];
  for (let start = 0; start < steps.length; start += jumpLength) {
    const block = steps.slice(start, start + jumpLength);
    for (let visit = 0; visit < resamples; visit++) {
      if (visit > 0) parts.push({ visit, k: start, from: block.at(-1)!.to, to: block[0]!.from });
      parts.push(...block.map((step) => ({ visit, step })));
    }
  }
  return parts;
}

function visitOf(batch: Batch, move: Move, part: Part): Visit {
  const { visit } = part;
  if ('step' in part) {
    const { step } = part;
    const address = { ...batch.noise(Stream.predictor, step.k), visit };
    return { at: step.from, to: step.to, move: () => move(step, address) };
  }
  // x_t given x_s at a level s with less noise: N(alpha_t / alpha_s x_s, sigma_t^2 - (alpha_t / alpha_s sigma_s)^2).
  const { k, from, to } = part;
  const address = { ...batch.noise(Stream.churn, k), visit };
  const retain = to.alpha / from.alpha;
  const scale = Math.sqrt(to.sigma ** 2 - (retain * from.sigma) ** 2);
  return {
    at: from,
    to,
    blind: true,
    move() {
      // Whoever asks how the state came here: from this level, by noise alone.
      batch.level = from;
      batch.combine(batch.x, [batch.x], [retain], { scale, address });
    },
  };
}
