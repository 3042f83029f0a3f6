import { OptionError } from '../errors.js';
import { checkKnown } from '../options.js';
import { customSde, type CustomSdeOptions } from './custom.js';
import { marginalCurves } from './monotone.js';
import type { Sde } from './sde.js';

/** alpha and sigma at some times. */
export interface SdeTable {
  /** Rising, from 0 or above on; at least four. */
  readonly t: ArrayLike<number>;
  /** Above 0 and never rising; where no signal is left at the end, the last may be 0. */
  readonly alpha: ArrayLike<number>;
  /** Never falling, and above 0 but at t = 0. sigma / alpha rises from row to row. */
  readonly sigma: ArrayLike<number>;
}

/** What a table of alpha and sigma leaves open. */
export type TableOptions = Pick<CustomSdeOptions, 'epsilon' | 'priorSigma' | 'dataRange'>;

/** How much before its end a process without signal there is left by what divides by alpha. */
const SIGNAL_LEFT = 1e-3;

/**
 * The SDE whose marginals are N(alpha(t) x_0, sigma(t)^2 I) with alpha and sigma from a table, smooth and monotone between its rows, of order 4 in
 * their distance. T is the last time; where alpha is 0 there, a thousandth before it. epsilon is by default T / 1000, or the first row
 * with noise where that is later.
 *
 * @throws OptionError (`table.sigma[3]` ...) that names the row.
 */
export function tableSde(table: SdeTable, options: TableOptions = {}): Sde {
  checkKnown(options, ['epsilon', 'priorSigma', 'dataRange']);
  checkKnown(table, ['t', 'alpha', 'sigma'], 'table');
  const [times, alphas, sigmas] = (['t', 'alpha', 'sigma'] as const).map((name) => column(table, name)) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  checkRows(times, alphas, sigmas);
  const end = times.at(-1)!;
  const isPure = alphas.at(-1) === 0;
  const T = isPure ? end * (1 - SIGNAL_LEFT) : end;
  const first = sigmas[0]! > 0 ? times[0]! : 0;
  const sde = customSde({
    ...marginalCurves(times, alphas, sigmas),
    ...{ T, epsilon: Math.max(1e-3 * T, first), ...options },
  });
  return isPure ? { ...sde, noiseTime: end } : sde;
}

function column(table: SdeTable, name: keyof SdeTable): Float64Array {
  const values: unknown = table[name];
  const isList = Array.isArray(values) || ArrayBuffer.isView(values);
  const numbers = Float64Array.from((isList ? values : []) as ArrayLike<number>);
  const rows = (table.t as ArrayLike<number> | undefined)?.length;
  if (numbers.length < 4)
    throw new OptionError(`table.${name}`, values, 'at least 4 numbers, one for every row');
  if (numbers.length !== rows)
    throw new OptionError(`table.${name}`, values, `${rows} numbers, as many as t has`);
  return numbers;
}

/** @throws OptionError for the first row that is out of order. */
function checkRows(t: Float64Array, alpha: Float64Array, sigma: Float64Array): void {
  const last = t.length - 1;
  for (let i = 0; i <= last; i++) {
    const refuse = (name: string, value: number, expected: string): never => {
      throw new OptionError(`table.${name}[${i}]`, value, expected);
    };
    const [time, a, s] = [t[i]!, alpha[i]!, sigma[i]!];
    const [before, aBefore, sBefore] =
      i === 0 ? [-1, Infinity, 0] : [t[i - 1]!, alpha[i - 1]!, sigma[i - 1]!];
    if (!(Number.isFinite(time) && time >= 0 && time > before))
      refuse('t', time, i === 0 ? 'a number of at least 0' : `a number above ${before}: times rise`);
    if (!(Number.isFinite(a) && a <= aBefore && (a > 0 || (a === 0 && i === last))))
      refuse('alpha', a, i === 0 ? 'a number above 0' : `above 0 and at most ${aBefore}: alpha never rises`);
    if (!(Number.isFinite(s) && s >= sBefore && (s > 0 || i === 0)))
      refuse(
        'sigma',
        s,
        i === 0 ? 'a number of at least 0' : `at least ${sBefore}, and above 0: sigma never falls`,
      );
    if (i > 0 && !(s * aBefore > sBefore * a))
      refuse('sigma', s, `such that sigma / alpha rises from the row before: ${sBefore} / ${aBefore}`);
  }
}
