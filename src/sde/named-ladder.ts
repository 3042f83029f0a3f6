import { OptionError } from '../errors.js';
import { checkChoice, checkInteger, checkKnown, checkNumber } from '../options.js';
import { ddpmLadder } from './ladder.js';
import { ladderNames, ladderOptions, type LadderName } from './names.js';
import type { Ladder } from './sde.js';

/** A ladder of DDPM as plain data. */
export interface NamedLadder {
  /**
   * - `linear`: betas even from `betaStart` (default 1e-4) to `betaEnd` (0.02) (Ho et al. 2020);
   * - `scaled-linear`: their square roots even, from 0.00085 to 0.012 (Rombach et al. 2022);
   * - `cosine`: alpha^2 = cos^2((u + offset) / (1 + offset) pi / 2) with u the share of the levels, offset 0.008, betas at most
   *   `mostBeta` (0.999) (Nichol and Dhariwal 2021, equation 17);
   * - `sigmoid`: alpha^2 falls as 1 - sigmoid(v / temperature), scaled to [0, 1], for v from `start` (-3) to `end` (3) at the temperature 1,
   *   betas at most 0.999 (Jabri et al. 2022).
   */
  readonly name: LadderName;
  /** Number of levels. Default 1000. */
  readonly levels?: number | undefined;
  /** The first beta, of `linear` and `scaled-linear`. */
  readonly betaStart?: number | undefined;
  /** The last beta, of the same. */
  readonly betaEnd?: number | undefined;
  /** Of `cosine`. */
  readonly offset?: number | undefined;
  /** Bound of every beta, of `cosine` and `sigmoid`. */
  readonly mostBeta?: number | undefined;
  /** Of `sigmoid`. */
  readonly start?: number | undefined;
  /** Of `sigmoid`. */
  readonly end?: number | undefined;
  /** Of `sigmoid`. */
  readonly temperature?: number | undefined;
  /** Rescale it so that the last level has no signal left, see {@link zeroTerminalSnr}. Default false. */
  readonly zeroTerminalSnr?: boolean | undefined;
}

/** The ladder that is meant by a name and constants. @throws OptionError (`ladder`, `ladder.betaStart` ...). */
export function ladderFromName(named: NamedLadder): Ladder {
  checkChoice('ladder', named.name, ladderNames);
  checkKnown(named, ['name', 'levels', 'zeroTerminalSnr', ...ladderOptions[named.name]], 'ladder');
  const levels = checkInteger('ladder.levels', named.levels ?? 1000, 1, 1e6);
  const ladder = ddpmLadder(betasOf(named, levels));
  return named.zeroTerminalSnr ? zeroTerminalSnr(ladder) : ladder;
}

function betasOf(named: NamedLadder, levels: number): Float64Array {
  const share = (i: number) => (levels === 1 ? 1 : i / (levels - 1));
  switch (named.name) {
    case 'linear': {
      const { betaStart = 1e-4, betaEnd = 0.02 } = checkBetas(named);
      return Float64Array.from({ length: levels }, (_, i) => betaStart + share(i) * (betaEnd - betaStart));
    }
    case 'scaled-linear': {
      const { betaStart = 0.00085, betaEnd = 0.012 } = checkBetas(named);
      const [from, to] = [Math.sqrt(betaStart), Math.sqrt(betaEnd)];
      return Float64Array.from({ length: levels }, (_, i) => (from + share(i) * (to - from)) ** 2);
    }
    case 'cosine': {
      const offset = checkNumber('ladder.offset', named.offset ?? 0.008, 0, true);
      const alphaBar = (u: number) => Math.cos((((u + offset) / (1 + offset)) * Math.PI) / 2) ** 2;
      return betasBetween(alphaBar, levels, named.mostBeta);
    }
    case 'sigmoid': {
      const { start = -3, end = 3 } = named;
      const temperature = checkNumber('ladder.temperature', named.temperature ?? 1, 0);
      if (!(Number.isFinite(start) && Number.isFinite(end) && start < end))
        throw new OptionError('ladder.end', end, `a finite number above start (${start})`);
      const sigmoid = (v: number) => 1 / (1 + Math.exp(-v / temperature));
      const [first, last] = [sigmoid(start), sigmoid(end)];
      const alphaBar = (u: number) => (last - sigmoid(start + u * (end - start))) / (last - first);
      return betasBetween(alphaBar, levels, named.mostBeta);
    }
  }
}

function checkBetas({ betaStart, betaEnd }: NamedLadder): Pick<NamedLadder, 'betaStart' | 'betaEnd'> {
  for (const [name, beta] of Object.entries({ betaStart, betaEnd })) {
    if (beta === undefined || (typeof beta === 'number' && beta > 0 && beta < 1)) continue;
    throw new OptionError(`ladder.${name}`, beta, 'between 0 and 1');
  }
  return { betaStart, betaEnd };
}

/** The betas by which alpha^2 falls from level to level, none above `most`. */
function betasBetween(alphaBar: (u: number) => number, levels: number, most = 0.999): Float64Array {
  if (!(most > 0 && most < 1)) throw new OptionError('ladder.mostBeta', most, 'between 0 and 1');
  return Float64Array.from({ length: levels }, (_, i) =>
    Math.min(1 - alphaBar((i + 1) / levels) / alphaBar(i / levels), most),
  );
}

/**
 * The ladder with alpha shifted and scaled so that the last level has none and the first keeps its own (Lin et al. 2023, algorithm 1).
 * @throws OptionError for a ladder whose alpha does not fall.
 */
export function zeroTerminalSnr({ levels, alpha }: Ladder): Ladder {
  const [first, last] = [alpha[0]!, alpha[levels - 1]!];
  if (!(first > last)) throw new OptionError('ladder', levels, 'of at least two levels, with falling alpha');
  const rescaled = alpha.map((value) => ((value - last) * first) / (first - last));
  return { levels, alpha: rescaled, sigma: rescaled.map((a) => Math.sqrt((1 - a) * (1 + a))) };
}

/**
 * The ladder of these numbers: betas, or where they fall, alpha^2 (which published codes call alphas_cumprod).
 * @throws OptionError naming the first that is out of range.
 */
export function ladderFromNumbers(values: ArrayLike<number>): Ladder {
  const list = Array.from(values);
  if (list.length < 2) throw new OptionError('betas', list, 'at least two numbers, one for every level');
  if (!list.every((value, i) => i === 0 || value < list[i - 1]!)) {
    const ladder = ddpmLadder(list);
    // The last beta may be 1, which leaves nothing.
    const end = (ladder.alpha.at(-2) ?? 1) ** 2;
    if (end >= 1e-20) return ladder;
    const expected = 'betas that leave some of the data, or alpha^2, which falls from level to level';
    throw new OptionError('betas', `${list.length} numbers whose alpha^2 fall to ${end}`, expected);
  }
  const wrong = list.findIndex((value) => !(value >= 0 && value < 1));
  if (wrong >= 0) throw new OptionError(`alphaBars[${wrong}]`, list[wrong], 'at least 0 and below 1');
  return {
    levels: list.length,
    alpha: Float64Array.from(list, Math.sqrt),
    sigma: Float64Array.from(list, (value) => Math.sqrt(1 - value)),
  };
}
