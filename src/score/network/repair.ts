import { FastsdeError } from '../../errors.js';
import { geometricSigmas, smldLadder } from '../../sde/ladder.js';
import { ladderFromName } from '../../sde/named-ladder.js';
import { sdeFromName } from '../../sde/named.js';
import { ladderNames, sdeNames } from '../../sde/names.js';
import type { Sde } from '../../sde/sde.js';
import { parameterizations, saysData, scoreCoefficients } from '../parameterization.js';
import type { ModelDescription } from './description.js';
import { findMisplaced, type LevelReading, type Reading, type Repair, type Verdict } from './findings.js';
import {
  imageLost,
  imperfection,
  isDenoiser,
  isIdle,
  isIsotropic,
  isNoise,
  isRandom,
  judge,
  keepsAlpha,
  noiseKept,
  noiseLeft,
} from './judgement.js';
import { contradiction } from './consistency.js';
import { defaultLabels, labelRule, type LabelRule } from './labels.js';
import { Trial, type Runner } from './denoising-trial.js';

/**
 * Another process is named only where estimates contradict one another less by this under it: networks of digits and photographs do so by 1.6
 * and 2 rightly read. Untrained networks that say x_0 come to 1.6.
 */
const LESS = 1.25;
const LESS_OF_X0 = 2;
/** Contradictions that are none, and that are one where there hardly are any. */
const NONE = 0.01;
const FAR = 0.05;

/** A denoiser is worth a look at other readings above, and good enough to look no further below. Data that are white noise have 4. */
const DOUBTFUL = 2.5;
const GOOD = 1.2;
/** A network that says x_0 keeps alpha of the image under a process that scales data where its own does not. */
const FAINT = 1.6;
/** The same for the noise alone. */
const NOISY = 0.75;

/** A reading under which the network denoises, and how well. */
interface Candidate {
  readonly reading: Reading;
  readonly process?: string;
  readonly on: Trial;
  readonly levels: readonly LevelReading[];
  readonly left: number;
  readonly rank: number;
}

/**
 * The reading that makes the network a denoiser where the declared one does not, or a clearly better one; undefined where there is
 * none. Readings that change little come first: the output, then the labels, then the process with its labels and output.
 */
export async function findRepair(
  network: Runner,
  trial: Trial,
  declared: Reading,
  levels: readonly LevelReading[],
  verdict: Verdict,
): Promise<Repair | undefined> {
  const range = trial.description.sde.dataRange;
  const imperfect = imperfection(levels, range);
  const looksRight = verdict === 'right' && isDenoiser(levels, range, 0.05);
  if (looksRight && (imperfect < GOOD || isWhite(declared, levels, range)))
    return findUnscaled(network, trial, declared, levels);
  const search = new Search(trial, declared, levels, verdict);
  // Another output costs nothing but where the input is scaled; labels and processes cost an evaluation each.
  const most = declared.parameterization === 'x0' ? FAINT : DOUBTFUL;
  const isCheap = looksRight && imperfect < most && noiseKept(levels, range) < NOISY;
  await search.tryOutputs(looksRight);
  if (!isCheap && !search.isPerfect) await search.tryLabels();
  if (!isCheap && !search.isPerfect) await search.tryProcesses(network);
  if (search.best === undefined)
    return looksRight ? findUnscaled(network, trial, declared, levels) : undefined;
  const { reading, process, on, levels: found } = search.best;
  const clear = noiseLeft(found, range) < noiseLeft(levels, range) - Math.log(30);
  const sure = verdict === 'wrong' || (verdict === 'doubtful' && clear);
  const isDoubt = !sure || process !== undefined;
  if (isDoubt && (await contradiction(on, reading)) > 2 * (await contradiction(trial, declared)) + FAR)
    return undefined;
  return { ...reading, ...(process !== undefined && { process }), severity: sure ? 'error' : 'warning' };
}

/** The search for a reading that is better than the declared one. */
class Search {
  /** The best of those that were tried. */
  best: Candidate | undefined;
  readonly #trial: Trial;
  readonly #declared: Reading;
  readonly #verdict: Verdict;
  /** What is wrong with the declared reading. */
  readonly #imperfect: number;
  /** Whether the declared reading does what no denoiser does: then no much better one is needed to doubt it. */
  readonly #isTurned: boolean;

  constructor(trial: Trial, declared: Reading, levels: readonly LevelReading[], verdict: Verdict) {
    const range = trial.description.sde.dataRange;
    this.#trial = trial;
    this.#declared = declared;
    this.#verdict = verdict;
    this.#imperfect = imperfection(levels, range);
    this.#isTurned = !isDenoiser(levels, range, 0.1);
  }

  /** Whether nothing better is to be looked for. */
  get isPerfect(): boolean {
    return this.best !== undefined && this.best.left < GOOD;
  }

  /** Other outputs. @param looksRight whether the declared one denoises; then the input is not scaled either. */
  async tryOutputs(looksRight: boolean): Promise<void> {
    for (const reading of outputs(this.#declared, this.#trial.description.sde.name))
      if (!looksRight || reading.parameterization !== 'edm')
        await this.#try(this.#trial, reading, undefined, 0);
  }

  /** Other labels, with the declared output and with others. */
  async tryLabels(): Promise<void> {
    const { name } = this.#trial.description.sde;
    for (const labels of otherLabels(name, this.#declared)) {
      const relabelled = { ...this.#declared, labels };
      await this.#try(this.#trial, relabelled, undefined, 0.05);
      for (const reading of outputs(relabelled, name)) await this.#try(this.#trial, reading, undefined, 0.15);
    }
  }

  /** Other processes, with the labels and outputs of their networks. */
  async tryProcesses(network: Runner): Promise<void> {
    const declared = this.#declared;
    for (const { flag, process } of otherProcesses(this.#trial.description)) {
      const on = new Trial(network, process);
      const endsInNoise = process.ladder?.alpha.at(-1) === 0;
      for (const labels of labelsUnder(process, declared, this.#verdict)) {
        const own = { ...declared, labels };
        const price = 0.3 + (labels.name === declared.labels.name ? 0 : 0.05);
        for (const reading of [own, ...outputs(own, process.sde.name)])
          // Where no signal is left, a network says x_0 or nothing.
          if (!endsInNoise || saysData(reading.parameterization)) await this.#try(on, reading, flag, price);
      }
    }
  }

  /** @param price what a reading that changes more has to be better by. */
  async #try(on: Trial, reading: Reading, process: string | undefined, price: number): Promise<void> {
    const found = await attempt(on, reading);
    if (!found || !isCredible(on, reading, found)) return;
    const [declared, verdict] = [this.#declared, this.#verdict];
    const range = on.description.sde.dataRange;
    // What an affine map of x does says nothing of process and labels, and not enough against a reading that does as well.
    const isOutput = process === undefined && reading.labels.name === declared.labels.name;
    if (isIsotropic(found, range, 0.1) && (!isOutput || verdict === 'right')) return;
    // Networks that say x_0 take away more under a process with less noise, which looks better.
    const kept = imperfection(found, range);
    const left = kept * (process === undefined ? 1 : reading.parameterization === 'x0' ? 2 : 1.3);
    const much = process === undefined && smooths(reading, declared) ? 2 : 1.3;
    const better = this.#isTurned ? kept < this.#imperfect + 0.3 : left < this.#imperfect / much - 0.1;
    if (verdict === 'right' && !better) return;
    const rank = left + 0.05 * noiseLeft(found, range) + price;
    if (this.best === undefined || rank < this.best.rank)
      this.best = { reading, on, levels: found, left, rank, ...(process !== undefined && { process }) };
  }
}

/** Whether a reading makes the network a denoiser of data in the range, whose output is what the reading says. */
function isCredible({ description }: Trial, reading: Reading, found: readonly LevelReading[]): boolean {
  const { sde, sigmaData } = description;
  const { parameterization } = reading;
  if (judge(found, reading, sde.dataRange) !== 'right' || !isDenoiser(found, sde.dataRange, 0.1))
    return false;
  if (isRandom(found) || findMisplaced(found, sde.dataRange)?.severity === 'error') return false;
  if (['eps', 'score', 'flow', 'reversed-flow'].includes(parameterization) && !isNoise(found)) return false;
  const idle = isIdle(found, sde.dataRange, ({ t }) => {
    const level = { alpha: sde.alpha(t), sigma: sde.sigma(t) };
    return 1 + level.sigma ** 2 * scoreCoefficients(parameterization, level, sigmaData).state;
  });
  return !idle || parameterization === 'x0';
}

/**
 * Another process, with the same labels and output, under which what the network says at one level agrees better with what it says at the
 * next; undefined where there is none, and where it agrees as it is.
 */
export async function findConsistent(
  network: Runner,
  trial: Trial,
  declared: Reading,
): Promise<(Repair & { readonly contradictions: readonly [own: number, other: number] }) | undefined> {
  const own = await contradiction(trial, declared);
  if (!(own > NONE)) return undefined;
  const { parameterization } = declared;
  let least: { flag: string; on: Trial; left: number } | undefined;
  for (const { flag, process } of [...ownDefaults(trial.description), ...otherProcesses(trial.description)]) {
    // Where no signal is left, a network says x_0 or nothing.
    if (process.ladder?.alpha.at(-1) === 0 && !saysData(parameterization)) continue;
    const on = new Trial(network, process);
    const left = await attempted(() => contradiction(on, declared));
    if (left !== undefined && left < (least?.left ?? Infinity)) least = { flag, on, left };
  }
  if (least === undefined) return undefined;
  const { flag, on, left } = least;
  if (own < (parameterization === 'x0' ? LESS_OF_X0 : LESS) * left + NONE) return undefined;
  const range = on.description.sde.dataRange;
  const levels = await attempted(() => on.read(declared));
  if (!levels || judge(levels, declared, range) === 'wrong') return undefined;
  return { ...declared, process: flag, severity: 'warning', contradictions: [own, left] };
}

/** The process itself with its usual constants, where it has others. */
function ownDefaults(description: ModelDescription): { flag: string; process: ModelDescription }[] {
  const { sde, ladder } = description;
  const name = sdeNames.find((each) => each === sde.name);
  if (name === undefined || ladder) return [];
  const usual = sdeFromName(name);
  const others = Object.keys(usual.constants).filter((key) => usual.constants[key] !== sde.constants[key]);
  if (others.length === 0) return [];
  const flag = `--sde-constants ${others.map((key) => `${key}=${usual.constants[key]!}`).join()}`;
  return [{ flag, process: { ...description, sde: { ...usual, dataRange: sde.dataRange } } }];
}

/**
 * EDM with labels sigma, where a network that says x_0 keeps twice as much of the data under it: D(x, sigma) that is read under a
 * process which scales data takes alpha x_0 for them, and denoises that.
 */
async function findUnscaled(
  network: Runner,
  { description }: Trial,
  declared: Reading,
  levels: readonly LevelReading[],
): Promise<Repair | undefined> {
  const { sde, ladder } = description;
  const range = sde.dataRange;
  const lost = imageLost(levels, range);
  if (declared.parameterization !== 'x0' || ladder || lost < 0.4) return undefined;
  if (isIsotropic(levels, range) || !keepsAlpha(levels, range, (t) => sde.alpha(t))) return undefined;
  const edm = otherProcesses(description).find(({ process }) => process.sde.name === 'edm');
  if (!edm) return undefined;
  const reading = { ...declared, labels: labelRule('sigma') };
  const found = await attempt(new Trial(network, edm.process), reading);
  const own = edm.process.sde.dataRange;
  if (!found || judge(found, reading, own) !== 'right' || !isDenoiser(found, own, 0.1)) return undefined;
  return imageLost(found, own) < lost / 2 - 0.1
    ? { ...reading, process: edm.flag, severity: 'warning' }
    : undefined;
}

/** Whether the data look like white noise, under which no reading is better than another. */
function isWhite(
  { parameterization }: Reading,
  levels: readonly LevelReading[],
  range: readonly [number, number],
): boolean {
  // With these an output of zero makes an affine denoiser too.
  const alone = ['v', 'flow', 'reversed-flow', 'edm'].includes(parameterization);
  return !alone && isIsotropic(levels, range);
}

/** Whether a network says x_0 under both readings: told of more noise than there is, it takes more away, which looks better. */
function smooths(reading: Reading, declared: Reading): boolean {
  return reading.parameterization === 'x0' && declared.parameterization === 'x0';
}

/** A reading that cannot be evaluated, such as one that leaves a table of the network, is no candidate. */
function attempt(trial: Trial, reading: Reading): Promise<LevelReading[] | undefined> {
  return attempted(() => trial.read(reading));
}

async function attempted<T>(run: () => Promise<T>): Promise<T | undefined> {
  try {
    return await run();
  } catch (cause) {
    if (cause instanceof FastsdeError) return undefined;
    throw cause;
  }
}

/** The other quantities that the output may be. The opposite of a flow is a parameterization. */
function outputs(reading: Reading, process: string): Reading[] {
  const isFlow = process === 'flow';
  return [
    ...(reading.parameterization.endsWith('flow') ? [] : [{ ...reading, sign: -1 } as const]),
    ...parameterizations
      .filter((other) => other !== reading.parameterization && (isFlow || !other.endsWith('flow')))
      // v is of processes that keep the variance.
      .filter((other) => other !== 'v' || !['ve', 'edm'].includes(process))
      // The network of EDM takes c_noise, never the number of a level.
      .filter((other) => other !== 'edm' || !reading.labels.discrete)
      .map((parameterization) => ({ ...reading, parameterization })),
  ];
}

const flowLabels = ['t', 't*1000', '1-t', '(1-t)*1000'];
const sdeLabels = ['t*999', 't', 'sigma', 'log-sigma', 'c-noise'];

function labelNamesOf(process: string, discrete: boolean): readonly string[] {
  return discrete ? ['index', 'reversed-index'] : process === 'flow' ? flowLabels : sdeLabels;
}

function otherLabels(process: string, { labels }: Reading): LabelRule[] {
  return labelNamesOf(process, labels.discrete)
    .map(labelRule)
    .filter(({ name }) => name !== labels.name);
}

/** The labels that are tried under another process: the declared ones and those of its networks; of a network that denoises, the usual ones. */
function labelsUnder(
  { sde }: ModelDescription,
  { labels, parameterization }: Reading,
  verdict: Verdict,
): LabelRule[] {
  const usual = [parameterization, 'eps' as const].map((each) =>
    defaultLabels(sde.name, each, labels.discrete),
  );
  const others = verdict === 'right' ? [...usual, 'c-noise'] : labelNamesOf(sde.name, labels.discrete);
  const names = new Set(others.map((name) => labelRule(name).name));
  names.delete(labels.name);
  return [labels, ...[...names].map(labelRule)].filter(({ discrete }) => discrete === labels.discrete);
}

/** The other processes of which the network may be, with the flags that name them. */
function otherProcesses(description: ModelDescription): { flag: string; process: ModelDescription }[] {
  const { sde, ladder, labels, levels } = description;
  const range = sde.dataRange;
  if (!ladder || !labels.discrete) {
    return sdeNames
      .filter((name) => name !== sde.name)
      .map((name) => {
        const other = sdeFromName(name);
        // A range that nobody gave is another one under another process.
        if (isDefaultRange(sde)) return { flag: `--sde ${name}`, process: { ...description, sde: other } };
        const isOwn = other.dataRange.join() === range.join();
        const flag = `--sde ${name}${isOwn ? '' : ` --data-range ${range.join()}`}`;
        return { flag, process: { ...description, sde: { ...other, dataRange: range } } };
      });
  }
  const sameSde = sde.name === 'vp' ? '' : '--sde vp ';
  const vp = sde.name === 'vp' ? sde : { ...sdeFromName('vp'), dataRange: range };
  const named = ladderNames.flatMap((name) =>
    [false, true].map((zeroTerminalSnr) => ({
      flag: `${sameSde}--ladder ${name}${zeroTerminalSnr ? ' --zero-terminal-snr' : ''}`,
      process: { ...description, sde: vp, ladder: ladderFromName({ name, levels, zeroTerminalSnr }) },
    })),
  );
  if (sde.name === 've') return named;
  const ve = sdeFromName('ve');
  const { sigmaMin, sigmaMax } = ve.constants;
  const process = {
    ...description,
    sde: { ...ve, dataRange: range },
    ladder: smldLadder(geometricSigmas(levels, sigmaMin, sigmaMax)),
  };
  return [...named, { flag: `--sde ve --trained-levels ${levels} --data-range ${range.join()}`, process }];
}

function isDefaultRange({ name, dataRange }: Sde): boolean {
  const known = sdeNames.find((each) => each === name);
  return known !== undefined && sdeFromName(known).dataRange.join() === dataRange.join();
}
