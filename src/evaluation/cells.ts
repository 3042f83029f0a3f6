import { OptionError } from '../errors.js';
import { checkInteger, isList, isRecord } from '../options.js';
import { planOf, type SampleOptions } from '../sampling/sample.js';
import type { ScoreModel } from '../score/model.js';
import { takesSteps, type SolverChoice } from '../solvers/choice.js';
import { samplersIn } from '../solvers/described.js';
import type { Plan } from '../solvers/solver.js';

/**
 * A sampler by what it is: text as `fastsde compare --samplers` reads it, such as `unipc:order=3,grid=karras` or the pattern `dpmpp-*`, or options
 * of `sample` with a label, and instead of a grid perhaps the times for every number of steps, such as those that `findGrid` found.
 */
export type Sampler =
  | string
  | (SolverChoice & {
      /** Its name in tables and charts. */
      readonly label: string;
      /** The times for a number of steps, descending. */
      readonly gridOf?: ((steps: number) => readonly number[]) | undefined;
    });

/** A sampler at a budget: one set of samples. */
export interface Cell {
  readonly label: string;
  /** Evaluations that a sample may take; absent where the sampler has its own. */
  readonly budget?: number;
  readonly options: SampleOptions;
  readonly plan: Plan;
}

interface Candidate {
  readonly label: string;
  readonly choice: SolverChoice;
  readonly gridOf?: ((steps: number) => readonly number[]) | undefined;
  readonly pattern?: string | undefined;
}

/**
 * Every sampler at every budget, its options resolved. Of a pattern, methods that the model or a budget does not allow are left
 * out, with a warning.
 *
 * @throws OptionError for a sampler that is given twice, and, with its label, for options that cannot be used.
 */
export function cellsOf(
  model: ScoreModel,
  samplers: readonly Sampler[],
  budgets: readonly number[],
): { cells: Cell[]; warnings: string[] } {
  if (!isList(samplers) || samplers.length === 0)
    throw new OptionError('samplers', samplers, 'a list of at least one sampler');
  checkBudgets(budgets);
  const labels = new Set<string>();
  /** Labels of samplers that text describes, by what they resolve to. */
  const twins = new Map<string, string>();
  const warnings: string[] = [];
  const cells: Cell[] = [];
  for (const given of samplers) {
    const candidates = candidatesOf(given);
    const failures: unknown[] = [];
    for (const { label, choice, gridOf, pattern } of candidates) {
      let own: Cell[];
      try {
        own = atBudgets(model, label, choice, budgets, gridOf);
      } catch (cause) {
        if (!(cause instanceof OptionError)) throw cause;
        const told = new OptionError(`samplers[${label}].${cause.option}`, cause.value, cause.expected);
        if (pattern === undefined || failures.push(told) === candidates.length) throw told;
        warnings.push(`${label} is left out of ${pattern}: ${told.message}`);
        continue;
      }
      if (labels.has(label)) throw new OptionError('samplers', label, 'given once; it is there twice');
      labels.add(label);
      if (typeof given === 'string') {
        const settings = JSON.stringify(own[0]!.plan.options);
        const twin = twins.get(settings);
        if (twin !== undefined)
          throw new OptionError('samplers', label, `another sampler than ${twin}, which is the same`);
        twins.set(settings, label);
      }
      cells.push(...own);
    }
  }
  return { cells, warnings };
}

function checkBudgets(budgets: readonly number[]): void {
  if (!isList(budgets) || budgets.length === 0)
    throw new OptionError('evaluations', budgets, 'a list of at least one number of evaluations');
  budgets.forEach((budget, i) => {
    checkInteger('evaluations', budget, 1);
    if (budgets.indexOf(budget) < i) throw new OptionError('evaluations', budgets, 'different numbers');
  });
}

function candidatesOf(given: Sampler): readonly Candidate[] {
  if (typeof given === 'string') return samplersIn(given);
  if (!isRecord(given) || typeof given.label !== 'string' || given.label === '')
    throw new OptionError(
      'samplers',
      given,
      "names such as 'unipc:order=3', or options of sample with a label",
    );
  const { label, gridOf, ...choice } = given;
  return [{ label, choice, gridOf }];
}

/** A grid by whose name a budget becomes a number of steps, where the times are found for that. */
const STEPS_OF = 'karras' as const;

function gridSteps({ options, steps }: Plan): number {
  const { steps: own } = options;
  return typeof own === 'number' ? own : steps;
}

/** @internal The steps for which a sampler needs a grid at each budget. */
export function stepsAt(model: ScoreModel, choice: SolverChoice, budgets: readonly number[]): number[] {
  checkBudgets(budgets);
  const counts = budgets.map((evaluations) =>
    gridSteps(planOf(model, { ...choice, evaluations, grid: STEPS_OF })),
  );
  return [...new Set(counts)];
}

/** Budgets that pay for the same steps are one cell, named by the least. */
function atBudgets(
  model: ScoreModel,
  label: string,
  choice: SolverChoice,
  budgets: readonly number[],
  gridOf: Candidate['gridOf'],
): Cell[] {
  const { steps, evaluations, grid } = choice;
  const isNamed = grid === undefined || (typeof grid === 'string' && grid !== 'reference');
  if (!takesSteps(choice) || steps !== undefined || evaluations !== undefined || !isNamed)
    return [{ label, options: choice, plan: planOf(model, choice) }];
  const cells: Cell[] = [];
  for (const budget of [...budgets].sort((a, b) => a - b)) {
    const asked = { ...choice, evaluations: budget, ...(gridOf && { grid: STEPS_OF }) };
    const counted = planOf(model, asked);
    const options = gridOf ? { ...choice, grid: gridOf(gridSteps(counted)) } : asked;
    const plan = gridOf ? planOf(model, options) : counted;
    if (plan.steps !== cells.at(-1)?.plan.steps) cells.push({ label, budget, options, plan });
  }
  return cells;
}
