import { defined, entryOf, isList } from '../../options.js';
import {
  checkSwitches,
  isPositive,
  present,
  requirePositive,
  wrongEntry,
  type Config,
} from './config-entries.js';
import type { DescriptionOptions } from './description.js';
import { dpmSilent, dpmSolver, schedulerKinds } from './scheduler-kinds.js';
import type {
  DistilledSpacing,
  DynamicShift,
  EdmSpacing,
  FlowSpacing,
  Scheduler,
  Spacing,
} from '../../sde/scheduler.js';

/** Steps of most pipelines of diffusers. */
const USUAL_STEPS = 50;
/** Steps of the pipeline of Stable Diffusion 3. */
const FLOW_STEPS = 28;

/** What is near to the schedulers that are not read. */
const instead: Readonly<Record<string, string>> = {
  DPMSolverSinglestepScheduler: '--solver dpmpp-2s is its method, over levels of its own',
  DPMSolverSDEScheduler: '--solver dpmpp-sde is its method, over levels of its own',
  IPNDMScheduler: '--solver ipndm is its method, over levels of its own',
  SASolverScheduler: '--solver sa is its method, over levels of its own',
  TCDScheduler: '--solver consistency makes steps of its kind, those with its gamma of 1',
};

/** What any scheduler may ask for, with the values that are done here. */
const done: Readonly<Record<string, readonly unknown[]>> = {
  use_flow_sigmas: [false],
  clip_sample_range: [1],
  final_sigmas_type: ['zero', 'sigma_min'],
  sigma_min: [],
  sigma_max: [],
  solver_p: [],
};

/** What the flows of diffusers may ask for. */
const doneInFlows: Readonly<Record<string, readonly unknown[]>> = {
  time_shift_type: ['exponential', 'linear'],
  invert_sigmas: [false],
  use_karras_sigmas: [false],
  use_exponential_sigmas: [false],
  use_beta_sigmas: [false],
  stochastic_sampling: [false],
  shift_terminal: [],
};

/**
 * The steps and the method of a scheduler of trained levels.
 * @throws DataError for entries that cannot be used.
 */
export function schedulerOf(path: string, config: Config): Scheduler {
  const { _class_name: given } = config;
  const name = typeof given === 'string' ? given : 'a scheduler without _class_name';
  const kind = entryOf(schedulerKinds, name);
  if (kind === undefined) {
    const known = Object.keys(schedulerKinds).join(', ');
    const near = entryOf(instead, name) ?? `those of ${known} are`;
    const why = `The steps of ${name} are not known here (${near}): it is drawn by the sampler and the levels of fastsde.`;
    return { name, steps: USUAL_STEPS, spacings: [], doubts: [why] };
  }
  const entries = { ...kind.silent, ...present(config) };
  checkEntries(path, entries);
  const spacing = spacingOf(path, entries);
  const spacings = (['whole', 'between', 'open'] as const).map((rule) => spacing(rule));
  const own =
    kind.rule === 'distilled' ? distilled(path, entries) : spacings.find(({ rule }) => rule === kind.rule)!;
  const solver = kind.solver(entries);
  return {
    name,
    ...(solver && { solver: defined(solver) as typeof solver }),
    steps: kind.steps ?? USUAL_STEPS,
    spacings: [own, ...spacings.filter((other) => other !== own)],
    doubts: undone(name, entries, { ...done, ...kind.done }),
  };
}

/** The steps of a flow by Euler's method, which DDIM is there. @throws DataError for a shift that is none. */
export function flowSchedulerOf(path: string, config: Config, patch: unknown): Scheduler {
  const { num_train_timesteps: levels = 1000, shift = 1 } = present(config);
  const name = String(config['_class_name']);
  checkSwitches(path, config);
  const isEuler = name === 'FlowMatchEulerDiscreteScheduler';
  requirePositive(path, { num_train_timesteps: levels, shift });
  const isDynamic = config['use_dynamic_shifting'] === true;
  const spacing: FlowSpacing = {
    rule: 'flow',
    levels: levels as number,
    shift: isDynamic ? dynamicShift(path, config, patch) : (shift as number),
  };
  const why = `The steps of ${name} are not known here (those of FlowMatchEulerDiscreteScheduler are): it is drawn by the sampler and the times of fastsde.`;
  return {
    name,
    ...(isEuler && { solver: { name: 'ddim' } }),
    steps: FLOW_STEPS,
    spacings: isEuler ? [spacing] : [],
    doubts: isEuler ? undone(name, config, doneInFlows) : [why],
  };
}

/** What the schedulers of EDM may ask for. */
const doneInEdm: Readonly<Record<string, readonly unknown[]>> = {
  algorithm_type: ['dpmsolver++', 'sde-dpmsolver++'],
  euler_at_final: [false],
  final_sigmas_type: ['zero'],
};

/**
 * The process and the steps of a scheduler of EDM, whose network is F of Karras et al. 2022; undefined for other schedulers.
 * @throws DataError for entries that cannot be used.
 */
export function edmProcessOf(path: string, config: Config): DescriptionOptions | undefined {
  const name = String(config['_class_name']);
  if (name !== 'EDMEulerScheduler' && name !== 'EDMDPMSolverMultistepScheduler') return undefined;
  const usual = { sigma_min: 0.002, sigma_max: 80, sigma_data: 0.5, rho: 7, sigma_schedule: 'karras' };
  const entries = { ...usual, ...dpmSilent, prediction_type: 'epsilon', ...present(config) } as Config;
  const { sigma_min: sigmaMin, sigma_max: sigmaMax, sigma_data: sigmaData, rho } = entries;
  const { prediction_type: prediction, sigma_schedule: noise } = entries;
  checkSwitches(path, config);
  requirePositive(path, { sigma_min: sigmaMin, sigma_max: sigmaMax, sigma_data: sigmaData, rho });
  if ((sigmaMin as number) >= (sigmaMax as number))
    throw wrongEntry(path, 'sigma_min', sigmaMin, `below its sigma_max ${String(sigmaMax)}`);
  if (noise !== 'karras' && noise !== 'exponential')
    throw wrongEntry(path, 'sigma_schedule', noise, 'karras or exponential');
  if (prediction !== 'epsilon')
    throw wrongEntry(
      path,
      'prediction_type',
      prediction,
      'epsilon, F of Karras et al. (v_prediction is its opposite: export the network with the other sign)',
    );
  checkEntries(path, entries);
  const spacing: EdmSpacing = { rule: 'edm', noise, rho: rho as number };
  const solver = name === 'EDMEulerScheduler' ? { name: 'ddim' } : dpmSolver(entries);
  return {
    sde: 'edm',
    constants: { sigmaMin, sigmaMax, sigmaData } as Record<string, number>,
    parameterization: 'edm',
    labels: 'c-noise',
    scheduler: {
      name,
      solver: defined(solver!) as NonNullable<typeof solver>,
      steps: USUAL_STEPS,
      spacings: [spacing],
      doubts: undone(name, entries, doneInEdm),
    },
  };
}

/** The shift that grows with the size of a picture. */
function dynamicShift(path: string, config: Config, patch: unknown): DynamicShift {
  const { base_shift: base = 0.5, max_shift: most = 1.15 } = config;
  const { base_image_seq_len: baseTokens = 256, max_image_seq_len: mostTokens = 4096 } = config;
  requirePositive(path, {
    base_shift: base,
    max_shift: most,
    base_image_seq_len: baseTokens,
    max_image_seq_len: mostTokens,
    patch_size: patch,
  });
  const numbers = { base, most, baseTokens, mostTokens, patch } as Omit<DynamicShift, 'linear'>;
  return { ...numbers, linear: config['time_shift_type'] === 'linear' };
}

/** @throws DataError for an entry that no method could use. */
function checkEntries(path: string, config: Config): void {
  const { solver_order: order = 2, dynamic_thresholding_ratio: ratio = 0.995 } = config;
  const { steps_offset: offset = 0, num_train_timesteps: levels = 1000 } = config;
  if (order !== 1 && order !== 2 && order !== 3) throw wrongEntry(path, 'solver_order', order, '1, 2 or 3');
  if (!(isPositive(ratio) && ratio <= 1))
    throw wrongEntry(path, 'dynamic_thresholding_ratio', ratio, 'a share above 0 and at most 1');
  const isWhole = Number.isSafeInteger(offset) && (offset as number) >= 0;
  if (!isWhole || (offset as number) >= (levels as number))
    throw wrongEntry(path, 'steps_offset', offset, `an integer from 0 to below the ${String(levels)} levels`);
}

/** How a distilled network jumps. */
function distilled(path: string, config: Config): DistilledSpacing {
  const { original_inference_steps: jumps, num_train_timesteps: levels = 1000 } = config;
  if (!Number.isSafeInteger(jumps) || (jumps as number) < 1 || (jumps as number) > (levels as number))
    throw wrongEntry(
      path,
      'original_inference_steps',
      jumps,
      `an integer from 1 to the ${String(levels)} levels`,
    );
  return { rule: 'distilled', jumps: jumps as number };
}

/** How levels are spread, by the rule of a class of schedulers. @throws DataError for a spread that is none. */
function spacingOf(path: string, config: Config): (rule: Spacing['rule']) => Spacing {
  const { timestep_spacing: spread = 'linspace', steps_offset: offset = 0 } = config;
  if (spread !== 'leading' && spread !== 'trailing' && spread !== 'linspace')
    throw wrongEntry(path, 'timestep_spacing', spread, 'leading, trailing or linspace');
  const [noise, other] = (['karras', 'exponential', 'beta'] as const).filter(
    (name) => config[`use_${name}_sigmas`] === true,
  );
  if (other) throw wrongEntry(path, `use_${other}_sigmas`, true, `false beside use_${noise}_sigmas`);
  const endsAtFirst = (rule: Spacing['rule']) =>
    rule === 'whole' ? config['set_alpha_to_one'] === false : config['final_sigmas_type'] === 'sigma_min';
  return (rule) => ({
    rule,
    spread,
    offset: offset as number,
    ...(rule !== 'whole' && noise && { noise }),
    end: endsAtFirst(rule) ? 'first' : 'data',
  });
}

/** What a file asks for and is not done. */
function undone(name: string, config: Config, done: Readonly<Record<string, readonly unknown[]>>): string[] {
  const asked = Object.entries(done).filter(([key, values]) => {
    const value = config[key];
    return value !== undefined && value !== null && !values.includes(value);
  });
  const keys = asked.map(([key]) => `${key} ${JSON.stringify(config[key])}`);
  const { thresholding, sample_max_value: most = 1 } = config;
  if (thresholding === true && most !== 1) keys.push(`sample_max_value ${JSON.stringify(most)}`);
  if (config['solver_order'] === 3 && config['solver_type'] === 'heun')
    keys.push('solver_type "heun" at order 3');
  if (isList(config['disable_corrector']) && config['disable_corrector'].length > 0)
    keys.push('disable_corrector');
  return keys.length === 0
    ? []
    : [`The ${name} of the model asks for ${keys.join(', ')}, which is not done here.`];
}
