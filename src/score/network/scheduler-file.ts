import { DataError } from '../../errors.js';
import { defined, entryOf, isList } from '../../options.js';
import type { DescriptionOptions } from './description.js';
import type {
  DistilledSpacing,
  DynamicShift,
  EdmSpacing,
  FlowSpacing,
  Scheduler,
  Spacing,
} from '../../sde/scheduler.js';

/** A scheduler_config.json of diffusers. */
type Config = Readonly<Record<string, unknown>>;

/** Steps of most pipelines of diffusers. */
const USUAL_STEPS = 50;
/** Steps of the pipeline of Stable Diffusion 3. */
const FLOW_STEPS = 28;

/** A class of schedulers: its rule, what it has where a file is silent, and its method here. */
interface Kind {
  readonly rule: Spacing['rule'] | 'distilled';
  readonly silent?: Config;
  readonly steps?: number;
  solver(config: Config): Scheduler['solver'];
  /** Entries with the values that are done here; others are named. */
  readonly done?: Readonly<Record<string, readonly unknown[]>>;
}

const dpm = { lower_order_final: true, final_sigmas_type: 'zero', solver_order: 2 };

const kinds: Readonly<Record<string, Kind>> = {
  DDIMScheduler: {
    rule: 'whole',
    silent: { timestep_spacing: 'leading', set_alpha_to_one: true, clip_sample: true },
    solver: (config) => ({ name: 'ddim', ...clipOf(config, { keepNoise: true }) }),
  },
  DDPMScheduler: {
    rule: 'whole',
    silent: { timestep_spacing: 'leading', clip_sample: true, variance_type: 'fixed_small' },
    steps: 1000,
    solver: (config) => ({
      name: 'ancestral',
      variance: entryOf(variances, config['variance_type']) ?? 'fixedsmall',
      ...clipOf(config),
    }),
    done: { variance_type: ['fixed_small', 'fixed_small_log', 'fixed_large', 'learned', 'learned_range'] },
  },
  PNDMScheduler: {
    rule: 'whole',
    silent: { timestep_spacing: 'leading', set_alpha_to_one: false, skip_prk_steps: false },
    solver: () => ({ name: 'pndm' }),
    done: { skip_prk_steps: [true] },
  },
  EulerDiscreteScheduler: {
    rule: 'between',
    solver: () => ({ name: 'ddim' }),
    done: { interpolation_type: ['linear'], timestep_type: ['discrete'] },
  },
  EulerAncestralDiscreteScheduler: { rule: 'between', solver: () => ({ name: 'ddim', eta: 1 }) },
  HeunDiscreteScheduler: {
    rule: 'between',
    silent: { clip_sample: false },
    solver: (config) => ({ name: 'edm-heun', ...clipOf(config) }),
  },
  LMSDiscreteScheduler: {
    rule: 'between',
    solver: () => ({ name: 'deis', order: 4, lowerOrderFinal: false }),
  },
  KDPM2DiscreteScheduler: {
    rule: 'between',
    solver: () => ({ name: 'dpm-solver-2s' }),
    // It rounds their levels, and not those in the middle of its steps.
    done: { use_karras_sigmas: [false] },
  },
  KDPM2AncestralDiscreteScheduler: {
    rule: 'between',
    solver: () => ({ name: 'dpm-solver-2s', eta: 1 }),
    done: { use_karras_sigmas: [false] },
  },
  LCMScheduler: {
    rule: 'distilled',
    silent: { original_inference_steps: 50, clip_sample: false, timestep_scaling: 10 },
    steps: 4,
    solver: (config) => ({ name: 'consistency', ...clipOf(config) }),
    // It makes a share of 2.5e-3 / (timestep)^2 of the estimate the state itself.
    done: { timestep_scaling: [10] },
  },
  DPMSolverMultistepScheduler: {
    rule: 'open',
    silent: dpm,
    solver: dpmSolver,
    done: {
      algorithm_type: ['dpmsolver++', 'sde-dpmsolver++'],
      // diffusers takes those of other methods for midpoint.
      solver_type: ['midpoint', 'heun', 'logrho', 'bh1', 'bh2'],
      lambda_min_clipped: ['-inf', -Infinity],
      use_lu_lambdas: [false],
      euler_at_final: [false],
    },
  },
  DEISMultistepScheduler: {
    rule: 'open',
    silent: { lower_order_final: true, final_sigmas_type: 'sigma_min', solver_order: 2 },
    solver: (config) => ({
      name: 'deis',
      order: config['solver_order'],
      interpolation: 'log-rho',
      ...(config['lower_order_final'] === false && { lowerOrderFinal: false }),
      ...clipOf(config),
    }),
    // With these its last step leads from the first level to itself.
    done: { use_karras_sigmas: [false], use_exponential_sigmas: [false], use_beta_sigmas: [false] },
  },
  UniPCMultistepScheduler: {
    rule: 'open',
    silent: dpm,
    solver: (config) => ({
      name: 'unipc',
      order: config['solver_order'],
      variant: config['solver_type'] === 'bh1' ? 'bh1' : 'bh2',
      lowerOrderFinal: config['lower_order_final'] !== false,
      ...clipOf(config),
    }),
    done: { predict_x0: [true], solver_type: ['bh1', 'bh2'], solver_order: [1, 2, 3] },
  },
};

/** What is near to the schedulers that are not read. */
const instead: Readonly<Record<string, string>> = {
  DPMSolverSinglestepScheduler: '--solver dpmpp-2s is its method, over levels of its own',
  DPMSolverSDEScheduler: '--solver dpmpp-sde is its method, over levels of its own',
  IPNDMScheduler: '--solver ipndm is its method, over levels of its own',
  SASolverScheduler: '--solver sa is its method, over levels of its own',
  TCDScheduler: '--solver consistency makes steps of its kind, those with its gamma of 1',
};

const variances: Readonly<Record<string, string>> = {
  fixed_small: 'fixedsmall',
  fixed_small_log: 'fixedsmall',
  fixed_large: 'fixedlarge',
  learned: 'learned-log',
  learned_range: 'learned',
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
  const kind = entryOf(kinds, name);
  if (kind === undefined) {
    const known = Object.keys(kinds).join(', ');
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
  if (!isPositive(levels)) throw wrong(path, 'num_train_timesteps', levels, 'a positive number');
  if (!isPositive(shift)) throw wrong(path, 'shift', shift, 'a positive number');
  const dynamic = config['use_dynamic_shifting'] === true ? dynamicShift(path, config, patch) : undefined;
  const spacing: FlowSpacing = { rule: 'flow', levels, shift: dynamic ?? shift };
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
  const entries = { ...usual, ...dpm, prediction_type: 'epsilon', ...present(config) } as Config;
  const { sigma_min: sigmaMin, sigma_max: sigmaMax, sigma_data: sigmaData, rho } = entries;
  const { prediction_type: prediction, sigma_schedule: noise } = entries;
  checkSwitches(path, config);
  for (const [entry, value] of Object.entries({
    sigma_min: sigmaMin,
    sigma_max: sigmaMax,
    sigma_data: sigmaData,
    rho,
  }))
    if (!isPositive(value)) throw wrong(path, entry, value, 'a positive number');
  if ((sigmaMin as number) >= (sigmaMax as number))
    throw wrong(path, 'sigma_min', sigmaMin, `below its sigma_max ${String(sigmaMax)}`);
  if (noise !== 'karras' && noise !== 'exponential')
    throw wrong(path, 'sigma_schedule', noise, 'karras or exponential');
  if (prediction !== 'epsilon')
    throw wrong(
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
  for (const [entry, value] of Object.entries({ base, most, baseTokens, mostTokens, patch_size: patch }))
    if (!isPositive(value)) throw wrong(path, entry, value, 'a positive number');
  const numbers = { base, most, baseTokens, mostTokens, patch } as Omit<DynamicShift, 'linear'>;
  return { ...numbers, linear: config['time_shift_type'] === 'linear' };
}

function dpmSolver(config: Config): Scheduler['solver'] {
  const { algorithm_type: type = 'dpmsolver++', solver_order: order, solver_type: variant } = config;
  const noisy = type === 'sde-dpmsolver++';
  const lowerOrderFinal = config['lower_order_final'] === false ? false : undefined;
  const options = { lowerOrderFinal, ...clipOf(config) };
  if (order === 1) return { name: noisy ? 'dpmpp-sde' : 'ddim', ...clipOf(config) };
  if (order === 3) return { name: noisy ? 'dpmpp-3m-sde' : 'dpmpp-3m', variant: 'published', ...options };
  return {
    name: noisy ? 'dpmpp-2m-sde' : 'dpmpp-2m',
    variant: variant === 'heun' ? 'taylor' : 'midpoint',
    ...options,
  };
}

/** How the estimate of x_0 is kept within its range; with what a method takes beside that. */
function clipOf(config: Config, beside: Config = {}): Config {
  const { thresholding, dynamic_thresholding_ratio: ratio = 0.995, sample_max_value: most = 1 } = config;
  // A threshold of at most 1 is no other than the range.
  const clip =
    thresholding === true && most !== 1 ? ratio : thresholding === true || config['clip_sample'] === true;
  return clip === false ? {} : { clip, ...beside };
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

/** Entries that are true or false. */
const switches = [
  ...[
    'clip_sample',
    'thresholding',
    'set_alpha_to_one',
    'skip_prk_steps',
    'lower_order_final',
    'euler_at_final',
  ],
  ...['use_karras_sigmas', 'use_exponential_sigmas', 'use_beta_sigmas', 'use_flow_sigmas', 'use_lu_lambdas'],
  ...['rescale_betas_zero_snr', 'use_dynamic_shifting', 'invert_sigmas', 'stochastic_sampling', 'predict_x0'],
];

/** @throws DataError for one of these entries that is neither: "false" in quotes is as good as true. */
export function checkSwitches(path: string, config: Config): void {
  const name = switches.find((entry) => typeof (config[entry] ?? false) !== 'boolean');
  if (name !== undefined) throw wrong(path, name, config[name], 'true or false, without quotes');
}

/** @throws DataError for an entry that no method could use. */
function checkEntries(path: string, config: Config): void {
  const { solver_order: order = 2, dynamic_thresholding_ratio: ratio = 0.995 } = config;
  const { steps_offset: offset = 0, num_train_timesteps: levels = 1000 } = config;
  if (order !== 1 && order !== 2 && order !== 3) throw wrong(path, 'solver_order', order, '1, 2 or 3');
  if (!(isPositive(ratio) && ratio <= 1))
    throw wrong(path, 'dynamic_thresholding_ratio', ratio, 'a share above 0 and at most 1');
  const isWhole = Number.isSafeInteger(offset) && (offset as number) >= 0;
  if (!isWhole || (offset as number) >= (levels as number))
    throw wrong(path, 'steps_offset', offset, `an integer from 0 to below the ${String(levels)} levels`);
}

function distilled(path: string, config: Config): DistilledSpacing {
  const { original_inference_steps: jumps, num_train_timesteps: levels = 1000 } = config;
  if (!Number.isSafeInteger(jumps) || (jumps as number) < 1 || (jumps as number) > (levels as number))
    throw wrong(path, 'original_inference_steps', jumps, `an integer from 1 to the ${String(levels)} levels`);
  return { rule: 'distilled', jumps: jumps as number };
}

function spacingOf(path: string, config: Config): (rule: Spacing['rule']) => Spacing {
  const { timestep_spacing: spread = 'linspace', steps_offset: offset = 0 } = config;
  if (spread !== 'leading' && spread !== 'trailing' && spread !== 'linspace')
    throw wrong(path, 'timestep_spacing', spread, 'leading, trailing or linspace');
  const [noise, other] = (['karras', 'exponential', 'beta'] as const).filter(
    (name) => config[`use_${name}_sigmas`] === true,
  );
  if (other) throw wrong(path, `use_${other}_sigmas`, true, `false beside use_${noise}_sigmas`);
  return (rule) => ({
    rule,
    spread,
    offset: offset as number,
    ...(rule !== 'whole' && noise && { noise }),
    end:
      rule === 'whole'
        ? config['set_alpha_to_one'] === false
          ? 'first'
          : 'data'
        : config['final_sigmas_type'] === 'sigma_min'
          ? 'first'
          : 'data',
  });
}

/** A null stands for silence. */
function present(config: Config): Config {
  return Object.fromEntries(
    Object.entries(config).filter(([, value]) => value !== null && value !== undefined),
  );
}

function wrong(path: string, entry: string, value: unknown, expected: string): DataError {
  return new DataError(`${path}: its ${entry} must be ${expected}; got ${JSON.stringify(value)}.`, {
    value: path,
  });
}

function isPositive(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value > 0;
}
