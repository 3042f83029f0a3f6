import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { DataError, OptionError } from '../../src/errors.js';
import { sample, type SampleOptions } from '../../src/sampling/sample.js';
import { functionModel } from '../../src/score/function.js';
import type { ScoreModel } from '../../src/score/model.js';
import { readLadder, type LadderReading } from '../../src/score/network/ladder-file.js';
import { edmProcessOf, flowSchedulerOf } from '../../src/score/network/scheduler-file.js';
import type { DescriptionOptions } from '../../src/score/network/description.js';
import { edm } from '../../src/sde/edm.js';
import { flow } from '../../src/sde/flow.js';
import { scheduledSteps } from '../../src/sde/scheduler.js';
import { vp } from '../../src/sde/vp.js';

type Config = Readonly<Record<string, unknown>>;

/** Made by scripts/latent/steps.py with diffusers: where its schedulers lead with a function in the place of a network. */
interface Case {
  readonly config: Config;
  readonly steps: number;
  readonly timesteps: readonly number[];
  readonly end: readonly number[];
}

const { start, cases } = JSON.parse(await readFile('test/fixtures/schedulers.json', 'utf8')) as {
  start: number[];
  cases: Case[];
};
const folder = await mkdtemp(join(tmpdir(), 'fastsde-scheduler-'));
test.after.always(() => rm(folder, { recursive: true }));
let files = 0;
async function readingOf(config: Config): Promise<LadderReading> {
  const path = join(folder, `${files++}.json`);
  await writeFile(path, JSON.stringify(config));
  return readLadder(path);
}

/** The function of the script, of the time that the network would be fed. */
function network(x: number, t: number): number {
  return 0.6 * Math.sin(x) + 0.3 * Math.cos(t / 400) + 0.2;
}

/** A model of that function with the scheduler of a config. */
async function modelOf(config: Config): Promise<ScoreModel> {
  const name = config['_class_name'] as string;
  const edmProcess = edmProcessOf(name, config);
  if (edmProcess) return edmModel(edmProcess);
  const isFlow = name.startsWith('FlowMatch');
  const reading = isFlow ? undefined : await readingOf(config);
  const { ladder, parameterization = 'flow' } = reading ?? {};
  const model = functionModel({
    ...{ shape: [8], sde: isFlow ? flow() : vp() },
    ...(ladder && { ladder }),
    parameterization: parameterization as 'eps',
    evaluate(x, levels, output) {
      const { t, index } = levels[0]!;
      const time = isFlow ? 1000 * t : (index ?? 1000 * t - 1);
      x.forEach((value, i) => (output[i] = network(value, time)));
    },
  });
  return { ...model, scheduler: reading?.scheduler ?? flowSchedulerOf(name, config, 2) };
}

/** The function as F of Karras et al. 2022: x_0 = c_skip x + c_out F(c_in x, c_noise). */
function edmModel({ constants, scheduler }: DescriptionOptions): ScoreModel {
  const data = constants!['sigmaData']!;
  const model = functionModel({
    ...{ shape: [8], sde: edm(constants), parameterization: 'x0' },
    evaluate(x, levels, output) {
      const { sigma } = levels[0]!;
      const total = Math.hypot(sigma, data);
      x.forEach((value, i) => {
        const F = network(value / total, Math.log(sigma) / 4);
        output[i] = (data / total) ** 2 * value + ((sigma * data) / total) * F;
      });
    },
  });
  return { ...model, scheduler: scheduler! };
}

/** The size of the noise at the start, which Euler's scheduler and its kin take for the state where their levels do not lead from the last one. */
function startOf(model: ScoreModel, { steps }: Case): Float32Array {
  const { scheduler } = model;
  const own = scheduler!.spacings[0]!;
  // Those of EDM add a variance of 1.
  if (own.rule === 'edm') return Float32Array.from(start, (z) => z * Math.hypot(model.sde.T, 1));
  const isNoise = own.rule === 'between' && own.spread !== 'leading';
  const deviation = isNoise ? scheduledSteps(model, own, steps)[0]!.from.sigma : 1;
  return Float32Array.from(start, (z) => z * deviation);
}

for (const [i, each] of cases.entries()) {
  const { config, steps, timesteps, end } = each;
  const name = `${i} ${String(config['_class_name'])} ${String(config['timestep_spacing'])}`;
  test(`a scheduler leads where diffusers' leads: ${name}`, async (t) => {
    const model = await modelOf(config);
    const { samples, options, warnings } = await sample(model, {
      count: 1,
      steps,
      initial: startOf(model, each),
    });
    t.is(options['grid'], 'scheduler');
    // A threshold has no upper bound here.
    const isBounded = Number(config['sample_max_value'] ?? 1) > 1;
    t.is(warnings.length, isBounded ? 1 : 0, warnings.join());
    const own = scheduledSteps(model, model.scheduler!.spacings[0]!, steps);
    const isEdm = model.sde.name === 'edm';
    const labelOf = (time: number) => (isEdm ? Math.log(time) / 4 : 1000 * time);
    const times = own.map(({ from }) => (model.ladder ? (from.index ?? 1000 * from.t - 1) : labelOf(from.t)));
    // Those of methods of two evaluations a step stand twice.
    const known = timesteps.filter((time, k) => k === 0 || time !== timesteps[k - 1]);
    times.forEach((time, k) =>
      t.true(Math.abs(time - known[k]!) < (isEdm ? 1e-5 : 0.02), `step ${k}: ${time}, ${known[k]}`),
    );
    const size = Math.max(...end.map(Math.abs));
    samples.forEach((value, k) => t.true(Math.abs(value - end[k]!) < 2e-5 * size, `${value} ${end[k]}`));
  });
}

const ladder = {
  beta_schedule: 'scaled_linear',
  beta_start: 0.00085,
  beta_end: 0.012,
  num_train_timesteps: 1000,
};
const ddim = { ...ladder, _class_name: 'DDIMScheduler', clip_sample: false, steps_offset: 1 };

test('steps, method and levels are those of the scheduler, unless options say otherwise', async (t) => {
  const model = await modelOf({ ...ddim, set_alpha_to_one: false });
  const optionsOf = async (options: SampleOptions) => (await sample(model, { count: 1, ...options })).options;
  t.like(await optionsOf({}), {
    ...{
      predictor: 'ddim',
      steps: 50,
      grid: 'scheduler',
      scheduler: { name: 'DDIMScheduler', rule: 'whole', spread: 'leading', offset: 1, end: 'first' },
      denoise: 'none',
    },
    epsilon: 1 / 1000,
  });
  t.like(await optionsOf({ solver: 'dpmpp-2m' }), { predictor: 'dpmpp-2m', steps: 20, grid: 'scheduler' });
  t.like(await optionsOf({ solver: 'ddim', grid: 'karras', steps: 5 }), { grid: 'ladder' });
  t.like(await optionsOf({ evaluations: 7 }), { predictor: 'ddim', steps: 7 });
  t.like(await optionsOf({ solver: 'heun', steps: 3 }), { predictor: 'heun', grid: 'karras' });
  // The noise of the last step would stay at the first level.
  t.like(await optionsOf({ solver: 'ancestral', steps: 5 }), { grid: 'scheduler', denoise: 'mean' });
});

test('schedulers whose levels are trained ones give them as they are', async (t) => {
  const model = await modelOf(ddim);
  for (const { from } of scheduledSteps(model, model.scheduler!.spacings[0]!, 30)) {
    t.is(from.alpha, model.ladder!.alpha[from.index!]!);
    t.is(from.sigma, model.ladder!.sigma[from.index!]!);
  }
});

for (const [steps, most, config] of [
  [1000, 999, ddim],
  [1001, 1000, { ...ddim, timestep_spacing: 'trailing' }],
  [51, 50, { ...ladder, _class_name: 'LCMScheduler' }],
  [1000, 999, { ...ladder, _class_name: 'UniPCMultistepScheduler' }],
  [0, 999, ddim],
  [2.5, 999, ddim],
] as const)
  test(`more steps than levels are named: ${config._class_name}, ${steps} of ${most}`, async (t) => {
    const model = await modelOf(config);
    const drawn = t.throws(() => sample(model, { steps }), { instanceOf: OptionError });
    t.regex(drawn.message, new RegExp(`steps must be an integer from 1 to ${most}, .* scheduler`));
    const whole = await sample(model, { count: 1, steps: most });
    t.true(whole.samples.every(Number.isFinite));
  });

for (const [words, config, doubt] of [
  [
    'another class',
    { ...ladder, _class_name: 'TCDScheduler' },
    /The steps of TCDScheduler are not known here \(--solver consistency makes steps of its kind/,
  ],
  [
    'a class whose method has a name here',
    { ...ladder, _class_name: 'SASolverScheduler' },
    /The steps of SASolverScheduler are not known here \(--solver sa is its method/,
  ],
  [
    'levels that end twice',
    { ...ladder, _class_name: 'DEISMultistepScheduler', use_karras_sigmas: true },
    /DEISMultistepScheduler of the model asks for use_karras_sigmas true/,
  ],
  [
    'Runge-Kutta steps at the start',
    { ...ladder, _class_name: 'PNDMScheduler' },
    /PNDMScheduler of the model asks for skip_prk_steps false, which is not done/,
  ],
  [
    'noise prediction and an early end',
    {
      ...ladder,
      _class_name: 'DPMSolverMultistepScheduler',
      algorithm_type: 'dpmsolver',
      euler_at_final: true,
    },
    /algorithm_type "dpmsolver", euler_at_final true/,
  ],
] as const)
  test(`what is not done is said: ${words}`, async (t) => {
    const model = await modelOf(config);
    const { warnings } = await sample(model, { count: 1, steps: 3 });
    t.is(warnings.filter((warning) => doubt.test(warning)).length, 1, warnings.join());
    // Nothing of the scheduler is walked.
    const other = await sample(model, { count: 1, steps: 3, solver: 'ddim', grid: 'karras' });
    t.deepEqual(other.warnings, []);
  });

for (const [entry, value, message] of [
  ['timestep_spacing', 'even', /its timestep_spacing must be leading, trailing or linspace; got "even"/],
  ['steps_offset', -1, /its steps_offset must be an integer from 0 to below the 1000 levels; got -1/],
  ['steps_offset', 2000, /its steps_offset must be an integer from 0 .* got 2000/],
  ['solver_order', 7, /its solver_order must be 1, 2 or 3; got 7/],
  [
    'dynamic_thresholding_ratio',
    7,
    /its dynamic_thresholding_ratio must be a share above 0 and at most 1; got 7/,
  ],
] as const)
  test(`a scheduler that cannot be read is named: ${entry} ${value}`, async (t) => {
    await t.throwsAsync(readingOf({ ...ddim, [entry]: value }), { instanceOf: DataError, message });
  });

for (const [entry, value, message] of [
  ['prediction_type', 'v_prediction', /prediction_type must be epsilon, F of Karras.* other sign/],
  ['sigma_schedule', 'beta', /sigma_schedule must be karras or exponential; got "beta"/],
  ['sigma_min', 90, /sigma_min must be below its sigma_max 80; got 90/],
  ['rho', 0, /rho must be a positive number; got 0/],
] as const)
  test(`a scheduler of EDM that cannot be read is named: ${entry} ${value}`, (t) => {
    const config = { _class_name: 'EDMEulerScheduler', [entry]: value };
    t.throws(() => edmProcessOf('file', config), { instanceOf: DataError, message });
  });

test('a scheduler of EDM is no ladder, and its flags are named', async (t) => {
  const message =
    /Give --sde edm --sde-constants sigmaMin=0.002,sigmaMax=80,sigmaData=0.5 --parameterization edm .* dpmpp-2m/;
  const config = { _class_name: 'EDMDPMSolverMultistepScheduler' };
  await t.throwsAsync(readingOf(config), { instanceOf: DataError, message });
});

test('a prior of noise alone is that of the first level', async (t) => {
  const model = await modelOf({
    ...ladder,
    _class_name: 'EulerDiscreteScheduler',
    timestep_spacing: 'trailing',
  });
  const { samples } = await sample(model, { steps: 4, count: 1 });
  const spaced = { ...model, scheduler: undefined };
  const { samples: initial } = await sample(spaced, { count: 1, solver: 'none', steps: 1, denoise: 'none' });
  const deviation = model.ladder!.sigma[999]!;
  const again = await sample(model, { steps: 4, count: 1, initial: initial.map((z) => z * deviation) });
  samples.forEach((value, i) => t.true(Math.abs(value - again.samples[i]!) < 1e-5));
});
