import { DataError } from '../../errors.js';

/** The config.json of a network, or what else of a folder of diffusers is an object of JSON. */
export type Config = Readonly<Record<string, unknown>>;

/** The entries that a file has: a null stands for silence. */
export function present(config: Config): Config {
  return Object.fromEntries(
    Object.entries(config).filter(([, value]) => value !== null && value !== undefined),
  );
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
  if (name !== undefined) throw wrongEntry(path, name, config[name], 'true or false, without quotes');
}

/** Whether a value is a finite number above 0. */
export function isPositive(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value > 0;
}

/** @throws DataError for the first of these entries that is no number above 0. */
export function requirePositive(path: string, entries: Config): void {
  for (const [entry, value] of Object.entries(entries))
    if (!isPositive(value)) throw wrongEntry(path, entry, value, 'a positive number');
}

/** The error of an entry that cannot be what it is. */
export function wrongEntry(path: string, entry: string, value: unknown, expected: string): DataError {
  return new DataError(`${path}: its ${entry} must be ${expected}; got ${JSON.stringify(value)}.`, {
    value: path,
  });
}
