import type { ModelDescription } from './description.js';
import {
  coupledRows,
  describeInconsistency,
  describeMisreading,
  describeUnrecognized,
  describeUntrained,
  findMisplaced,
  findUndrowned,
  idleTime,
  notFinite,
  type Finding,
  type LevelReading,
  type Reading,
} from './findings.js';
import { isDenoiser, isRandom, judge } from './judgement.js';
import { findConsistent, findRepair } from './repair.js';
import { Trial, type Runner } from './denoising-trial.js';

/**
 * A check that a network's output is what its description says, from how it denoises.
 *
 * Constant images at both ends of the data range are noised at seven noise levels, and the output is read as an estimate of x_0.
 * Read rightly, the estimate
 *
 * - carries nearly none of a large noise: its regression on z is E|x_0 - E[x_0|x]|^2 / (d rho), at most the data variance
 *   over rho = sigma / alpha;
 * - keeps the image under a small noise, and at every noise keeps of the image at least as much as of the noise.
 *
 * Under a wrong sign, scale, label, parameterization or process one of them fails, whatever the data are; then other readings are
 * tried, so that the finding can name the flags that repair it. Where none fits, the finding says so.
 */
export interface ProbeReport {
  /** Whether there are no findings. */
  readonly ok: boolean;
  /** What speaks against this reading of the file; empty where nothing does. */
  readonly findings: readonly Finding[];
  /** What was measured, from the least noise to the most. */
  readonly levels: readonly LevelReading[];
}

/** Rounding of a network in half precision may look like this much, relative to its output. */
const ROUNDING = 0.01;

export interface ProbeOptions {
  /** What its graph already says against the network: that it draws random numbers. */
  readonly known?: Finding | undefined;
  /** Whether the network's file says itself of which process it is. */
  readonly isOwnProcess?: boolean | undefined;
}

/**
 * Evaluates the network on 14 or more noised rows and on 3 of them again, under other readings, once each, where these
 * look wrong, and on 30 rows or more on the way from noise to data, under other processes too where these contradict one another, unless the
 * file names its process.
 */
export async function probe(
  network: Runner,
  description: ModelDescription,
  { known, isOwnProcess = false }: ProbeOptions = {},
): Promise<ProbeReport> {
  const trial = new Trial(network, description);
  const declared: Reading = {
    labels: description.labels,
    parameterization: description.parameterization,
    sign: 1,
  };
  const levels = await trial.read(declared);
  const { company, time } = await trial.again(declared);
  const beside = [
    ...(known ? [known] : []),
    ...(!known && company > ROUNDING ? [coupledRows(company)] : []),
    ...(time === 0 ? [idleTime] : []),
  ];
  const report = (...found: Finding[]): ProbeReport => {
    const findings = [...found, ...beside];
    return { ok: findings.length === 0, findings, levels };
  };
  const { dataRange } = description.sde;
  const drowned = findUndrowned(levels, dataRange);
  if (drowned) return report(drowned);
  const verdict = judge(levels, declared, dataRange);
  const range = verdict === 'right' ? findMisplaced(levels, dataRange) : undefined;
  const isElsewhere = range?.severity === 'error';
  const repair = await findRepair(network, trial, declared, levels, isElsewhere ? 'wrong' : verdict);
  // Data elsewhere are likelier than another process, and less likely than another output that puts them where they are said to be.
  const isOutput = repair?.process === undefined && repair?.labels.name === declared.labels.name;
  if (isElsewhere && !isOutput) return report(range);
  if (repair) return report(describeMisreading(declared, repair));
  if (isRandom(levels)) return report(describeUntrained(verdict));
  if (!levels.every(({ leak, low, high }) => Number.isFinite(leak + low + high))) return report(notFinite);
  if (verdict !== 'right') return report(describeUnrecognized(verdict, levels));
  if (range) return report(range);
  const consistent = isOwnProcess || known ? undefined : await findConsistent(network, trial, declared);
  if (consistent) return report(describeInconsistency(declared, consistent));
  return isDenoiser(levels, dataRange, 0.25) ? report() : report(describeUnrecognized('doubtful', levels));
}
