import { OptionError } from '../errors.js';
import { checkFits } from '../memory.js';
import { checkChoice, checkInteger, checkNumber, defined } from '../options.js';
import { refusePreviews, type Evaluated } from '../sampling/previews.js';
import { drawBatch, planOf } from '../sampling/sample.js';
import type { ScoreModel } from '../score/model.js';
import { processGrid } from '../sde/grid.js';
import type { Level } from '../sde/level.js';
import { elementCount } from '../shape.js';
import type { Constraint } from '../solvers/batch.js';
import type { SolverChoice } from '../solvers/choice.js';
import type { Counts } from '../solvers/counts.js';
import type { Plan } from '../solvers/solver.js';
import { checkDifferentiable, openDenoiser, remembered, type Denoiser, type Remembered } from './denoiser.js';
import { dps } from './dps.js';
import type { Known } from './measurement.js';
import { gridOptions, replacementLevels, samplingOptions, type RestorationMethod } from './names.js';
import { isLinear, type Operator } from './operator.js';
import type { ParticleOptions } from './particles.js';
import { momentMatching, pseudoinverseGuidance } from './posterior.js';
import { repaint } from './repaint.js';
import { replacement } from './replacement.js';
import type { RestoreOptions } from './restore-options.js';
import { particleFilter } from './smc.js';
import { POINTS, twistedParticleFilter } from './twisted.js';

/** Some of the samples of a run. */
interface Part {
  readonly known: Known<Operator>;
  readonly size: number;
  /** Global index of the first. */
  readonly first: number;
  readonly seed: bigint;
  readonly labels: Int32Array | undefined;
  readonly signal: AbortSignal | undefined;
  /** Called with the steps that are made. */
  readonly onStep: (steps: number) => void;
  /** What is shown of it on the way. */
  readonly evaluated?: Evaluated | undefined;
}

export interface Drawn {
  readonly samples: ArrayLike<number>;
  readonly counts: Counts;
  readonly effectiveSampleSize?: Float64Array;
  readonly logEvidence?: Float64Array;
}

/** A method with its options resolved for a model. */
export interface Restoration {
  readonly options: Readonly<Record<string, unknown>>;
  readonly warnings: readonly string[];
  /** Steps of a batch. */
  readonly steps: number;
  /** States that go through the network for every sample. Default 1. */
  readonly states?: number;
  /** Why nothing is shown on the way, where nothing is. */
  readonly unseen?: string;
  draw(part: Part): Promise<Drawn>;
}

const noneLeft = 'a linear measurement';
const MANY = 'each sample has many particles, and is drawn of them at the end';

/** The methods: each resolves its options for a model and measurements, or says what is wrong with them. */
export const restorations: Readonly<
  Record<
    RestorationMethod,
    (model: ScoreModel, known: Known<Operator>, options: RestoreOptions) => Restoration
  >
> = {
  replacement(model, measured, options) {
    linear('replacement', measured);
    const { replaceAt = 'arrived' } = options;
    checkChoice('replaceAt', replaceAt, replacementLevels);
    const choice = choiceOr('predictor-corrector', 200, model, options);
    const plan = gridPlan(model, choice);
    return {
      options: { ...plan.options, replaceAt },
      warnings: [...(plan.warnings ?? []), ...uncorrected(plan.options)],
      steps: plan.steps,
      draw: (part) =>
        drawBySampling(model, plan, part, [replacement(linear('replacement', part.known), replaceAt)]),
    };
  },
  mmps(model, measured, options) {
    const { iterations = 3 } = options;
    checkInteger('iterations', iterations, 1, 1000);
    return guidedBy('mmps', model, measured, options, { iterations }, (denoiser, known) =>
      momentMatching(model, denoiser, known, iterations),
    );
  },
  pigdm: (model, measured, options) =>
    guidedBy('pigdm', model, measured, options, {}, (denoiser, known) =>
      pseudoinverseGuidance(model, denoiser, known),
    ),
  dps(model, measured, options) {
    const { zeta = 1 } = options;
    checkNumber('zeta', zeta, 0, true);
    checkDifferentiable(model, 'dps', isLinear(measured.operator) ? undefined : noneLeft);
    const { solver, predictor, corrector, ...choice } = choiceOf(options);
    for (const [name, value] of Object.entries({ solver, predictor, corrector }))
      if (value !== undefined) throw new OptionError(name, value, 'left out: method dps makes its own steps');
    const chosen = (evaluated: () => Remembered, known: Known<Operator>) =>
      ({ ...choice, predictor: dps(evaluated, known, zeta), corrector: 'none' }) as const;
    const plan = gridPlan(
      model,
      chosen(() => undefined as never, measured),
    );
    return {
      options: { ...plan.options, zeta },
      warnings: plan.warnings ?? [],
      steps: plan.steps,
      draw: (part) =>
        withDenoiser(model, part, part.size, async (denoiser) => {
          const evaluated = remembered(model, denoiser);
          const plan = planOf(
            evaluated.model,
            chosen(() => evaluated, part.known),
          );
          const { samples, counts } = await drawBySampling(evaluated.model, plan, part);
          const networks = { ...counts.networks, derivative: counts.score };
          return { samples, counts: { ...counts, networks } };
        }),
    };
  },
  repaint(model, measured, options) {
    linear('repaint', measured);
    refuseSolver('repaint', options);
    const { replaceAt = 'arrived', jumpLength, resamples, steps, grid, rho, epsilon } = options;
    checkChoice('replaceAt', replaceAt, replacementLevels);
    const choice = { solver: repaint({ jumpLength, resamples, steps, grid, rho, epsilon }) };
    const plan = planOf(model, choice);
    return {
      options: { ...plan.options, replaceAt },
      warnings: plan.warnings ?? [],
      steps: plan.steps,
      draw: (part) =>
        drawBySampling(model, plan, part, [replacement(linear('repaint', part.known), replaceAt)]),
    };
  },
  smc(model, known, options) {
    const { operator, noise } = known;
    refuseSolver('smc', options);
    refusePreviews(options, `left out with method smc: ${MANY}`);
    if (!isLinear(operator)) {
      checkDifferentiable(model, 'smc', noneLeft);
      if (noise === 0)
        throw new OptionError('measurement.noise', noise, 'above 0 for method smc, where A is not linear');
    }
    const { particles = 32, essThreshold = 0.5 } = options;
    checkInteger('particles', particles, 1, 2 ** 20);
    if (!(Number.isFinite(essThreshold) && essThreshold >= 0 && essThreshold <= 1))
      throw new OptionError('essThreshold', essThreshold, 'a share of the particles, from 0 to 1');
    const rows = Math.max(
      particles,
      Math.min(options.batch ?? 64, particles * (options.count ?? known.count)),
    );
    checkFits(
      options.batch === undefined || rows === particles ? 'particles' : 'batch',
      rows,
      particleBytes(model, known.operator),
      `${rows} of them take ${gigabytes(rows * particleBytes(model, known.operator))}; more samples of fewer particles can be weighted by their evidence`,
    );
    const levels = levelsOf(model, options);
    const steps = levels.length - 1;
    const resolved = { particles, essThreshold };
    return {
      options: { ...resolved, steps, epsilon: levels.at(-1)!.t },
      warnings: [],
      steps,
      states: particles,
      unseen: MANY,
      async draw({ known: { operator: A, ...values }, ...part }) {
        const given: ParticleOptions = { ...resolved, ...part, levels };
        if (isLinear(A)) return particleFilter(model, { ...values, operator: A }, given);
        return withDenoiser(model, part, particles * part.size, (denoiser) =>
          twistedParticleFilter(model, denoiser, { ...values, operator: A }, given),
        );
      },
    };
  },
};

/** @throws OptionError where a solver is given to a method that is one. */
function refuseSolver(method: RestorationMethod, options: RestoreOptions): void {
  for (const name of samplingOptions) {
    const value = (options as Readonly<Record<string, unknown>>)[name];
    if (value !== undefined)
      throw new OptionError(
        name,
        value,
        `left out: method ${method} makes its own steps (it takes ${gridOptions.join(', ')})`,
      );
  }
}

/** @throws OptionError for a measurement that is not linear. */
function linear(method: RestorationMethod, { operator, ...values }: Known<Operator>): Known {
  if (isLinear(operator)) return { operator, ...values };
  throw new OptionError('method', method, `'dps' or 'smc': what ${operator.name} measures is not linear`);
}

/** Sampling from a model that is made for the measurements of each batch. */
function guidedBy(
  method: RestorationMethod,
  model: ScoreModel,
  measured: Known<Operator>,
  options: RestoreOptions,
  resolved: Readonly<Record<string, unknown>>,
  guided: (denoiser: Denoiser, known: Known) => ScoreModel,
): Restoration {
  linear(method, measured);
  checkDifferentiable(model, method);
  const choice = choiceOr('dpmpp-2m-sde', 39, model, options);
  const plan = gridPlan(model, choice);
  return {
    options: { ...plan.options, ...resolved },
    warnings: plan.warnings ?? [],
    steps: plan.steps,
    draw: (part) =>
      withDenoiser(model, part, part.size, (denoiser) => {
        const posterior = guided(denoiser, linear(method, part.known));
        return drawBySampling(posterior, planOf(posterior, choice), part);
      }),
  };
}

/** Drawing with a denoiser for so many rows, which is closed then. */
async function withDenoiser<T>(
  model: ScoreModel,
  { signal }: Pick<Part, 'signal'>,
  rows: number,
  draw: (denoiser: Denoiser) => Promise<T>,
): Promise<T> {
  const denoiser = await openDenoiser(model, rows, signal);
  try {
    return await draw(denoiser);
  } finally {
    await denoiser.close();
  }
}

/** The solver that is chosen, or else this one with so many steps, where nothing else counts them. */
function choiceOr(
  solver: NonNullable<SolverChoice['solver']>,
  steps: number,
  { ladder }: ScoreModel,
  options: RestoreOptions,
): SolverChoice {
  const choice = choiceOf(options);
  if (choice.solver !== undefined || choice.predictor !== undefined) return choice;
  const { evaluations, grid = '' } = choice;
  const isCounted = ladder !== undefined || evaluations !== undefined || typeof grid !== 'string';
  return { solver, ...(!isCounted && { steps }), ...choice };
}

/** @throws OptionError for a solver that evaluates some samples of a batch without the others. */
function gridPlan(model: ScoreModel, choice: SolverChoice): Plan {
  const plan = planOf(model, choice);
  if (plan.constrains) return plan;
  const { solver } = choice;
  const name = typeof solver === 'object' ? solver.name : solver;
  throw new OptionError('solver', name, 'one on a grid, such as a predictor');
}

/** The options of `sample` among those of a restoration. */
function choiceOf(options: RestoreOptions): SolverChoice {
  const { solver, predictor, corrector, snr, correctorSteps, norm, sequence, denoise } = options;
  const { steps, evaluations, grid, rho, epsilon } = options;
  return defined({
    ...{ solver, predictor, corrector, snr, correctorSteps, norm, sequence, denoise },
    ...{ steps, evaluations, grid, rho, epsilon },
  });
}

/** By the sampler of a plan, as `sample` does. */
function drawBySampling(
  model: ScoreModel,
  plan: Plan,
  { size, first, seed, labels, signal, onStep, evaluated }: Part,
  constraints: readonly Constraint[] = [],
): Promise<Drawn> {
  return drawBatch(
    model,
    plan,
    { size, first, seed, labels, constraints, signal },
    {
      ...(evaluated && { evaluated }),
      stepped(step) {
        onStep(step + 1);
      },
    },
  );
}

/** Without a corrector, replacement has the wrong law in however many steps. */
function uncorrected({ corrector, predictor }: Readonly<Record<string, unknown>>): string[] {
  if (corrector !== 'none' || predictor === undefined) return [];
  return [
    'Replacement without a corrector does not draw from the posterior, in however many steps: what is unknown follows too late ' +
      "what is known. Give a corrector: 'langevin' for pictures, 'ald' in few dimensions.",
  ];
}

/** What a particle takes beside the network: its state, estimates, means and noise, and what is measured of them. */
function particleBytes({ shape }: ScoreModel, operator: Operator): number {
  const [d, m] = [elementCount(shape), elementCount(operator.measuredShape)];
  return isLinear(operator) ? 60 * d + 8 * m : (120 + 32 * POINTS) * d + 16 * POINTS * m;
}

function gigabytes(bytes: number): string {
  return `${(bytes / 2 ** 30).toPrecision(3)} GiB`;
}

/** The levels of a particle filter: those of a trained ladder, or of a grid down to epsilon. */
function levelsOf(model: ScoreModel, { steps: given, grid, rho, epsilon }: RestoreOptions): Level[] {
  const { sigmaData } = model;
  const steps = given ?? (typeof grid === 'object' ? undefined : 100);
  const made = processGrid(model, { steps, grid, rho, epsilon, sigmaData }, 'uniform-lambda');
  return [made[0]!.from, ...made.map(({ to }) => to)].filter(({ sigma }) => sigma > 0);
}
