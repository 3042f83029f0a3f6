import { entryOf } from '../../options.js';
import type { Scheduler, Spacing } from '../../sde/scheduler.js';
import type { Config } from './config-entries.js';

/** A class of schedulers: its rule, what it has where a file is silent, and its method here. */
interface SchedulerKind {
  readonly rule: Spacing['rule'] | 'distilled';
  readonly silent?: Config;
  readonly steps?: number;
  solver(config: Config): Scheduler['solver'];
  /** Entries with the values that are done here; others are named. */
  readonly done?: Readonly<Record<string, readonly unknown[]>>;
}

/** What a file of DPMSolverMultistepScheduler and its kin has where it is silent. */
export const dpmSilent = { lower_order_final: true, final_sigmas_type: 'zero', solver_order: 2 };

/** The schedulers that are known, by their class. */
export const schedulerKinds: Readonly<Record<string, SchedulerKind>> = {
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
    silent: dpmSilent,
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
    silent: dpmSilent,
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

const variances: Readonly<Record<string, string>> = {
  fixed_small: 'fixedsmall',
  fixed_small_log: 'fixedsmall',
  fixed_large: 'fixedlarge',
  learned: 'learned-log',
  learned_range: 'learned',
};

/** The method of DPMSolverMultistepScheduler and of its kin. */
export function dpmSolver(config: Config): Scheduler['solver'] {
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
