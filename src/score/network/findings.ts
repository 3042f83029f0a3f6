import type { LabelRule } from './labels.js';
import type { Parameterization } from '../model.js';

/** Something that the probe holds against a model. */
export interface Finding {
  /** What it is about. */
  readonly cause:
    | 'parameterization'
    | 'sign'
    | 'labels'
    | 'process'
    | 'data-range'
    | 'not-finite'
    | 'unrecognized'
    | 'random'
    | 'rows'
    | 'time';
  /** `error` where the output is clearly not what was said, `warning` for a doubt. */
  readonly severity: 'error' | 'warning';
  /** What was found and what to do, in plain words. */
  readonly message: string;
  /** Command-line flags that repair it, where there are some. */
  readonly flag?: string;
}

/** How the estimate of x_0 depends on what it was computed from, at one noise level. */
export interface LevelReading {
  /** Time of the level. */
  readonly t: number;
  /** sigma / alpha. */
  readonly rho: number;
  /** Regression of the estimate on the noise z, in data units; rightly at most half the data's standard deviation. */
  readonly leak: number;
  /** Mean of the estimate where x_0 was at the low and at the high end of the data range. */
  readonly low: number;
  /** See `low`. */
  readonly high: number;
  /** Correlation of the output with z over an image; NaN where the output does not vary there. */
  readonly answer: number;
  /** How far the outputs of both images are apart, in standard deviations over an image. */
  readonly contrast: number;
}

/** The readings at the least noise, at about half the data range, and at much more than that. */
export function ends(levels: readonly LevelReading[]): [LevelReading, LevelReading, LevelReading] {
  return [levels[0]!, levels[3]!, levels[5]!];
}

/** A way to read the network: with labels fed by one rule, and the output taken for one quantity, or its opposite. */
export interface Reading {
  readonly labels: LabelRule;
  readonly parameterization: Parameterization;
  readonly sign: 1 | -1;
}

/** How well a reading of the network denoises. */
export type Verdict = 'right' | 'doubtful' | 'wrong';

/** Another reading that denoises, and how sure it is that the declared one is wrong. */
export interface Repair extends Reading {
  /** The flags of another process under which it does. */
  readonly process?: string;
  readonly severity: Finding['severity'];
}

export const notFinite: Finding = {
  cause: 'not-finite',
  severity: 'error',
  message: 'Its output is NaN or infinite on noised data: check the labels (--labels) and the file itself.',
};

/** A time that the network does not look at. */
export const idleTime: Finding = {
  cause: 'time',
  severity: 'warning',
  message:
    'Its time input changes nothing: the output is the same at every noise level. Check the export, and that --time-input names the time.',
};

/** The finding of a network whose rows are not computed each by itself. */
export function coupledRows(difference: number): Finding {
  return {
    cause: 'rows',
    severity: 'error',
    message:
      `The rows of a batch influence each other: an output changed by ${difference.toPrecision(2)} of its size with the other rows. ` +
      'Batch normalisation in training mode does so, and attention along the batch: export the network in evaluation mode (model.eval()).',
  };
}

/** The finding of a network that denoises under another reading. */
export function describeMisreading(declared: Reading, found: Repair): Finding {
  const { severity } = found;
  const flags = [
    ...(found.process === undefined ? [] : [found.process]),
    ...(found.labels.name === declared.labels.name ? [] : [`--labels '${found.labels.name}'`]),
    ...(found.parameterization === declared.parameterization
      ? []
      : [`--parameterization ${found.parameterization}`]),
  ];
  const flag = flags.join(' ');
  const read = `read as ${declared.parameterization} with labels ${declared.labels.name}, its output`;
  const cause =
    found.sign < 0
      ? 'sign'
      : found.process !== undefined
        ? 'process'
        : found.labels.name === declared.labels.name
          ? 'parameterization'
          : 'labels';
  if (severity === 'warning') {
    const other = [
      ...(found.sign < 0 ? [`as the opposite of ${found.parameterization}`] : []),
      ...(flag ? [`with ${flag}`] : []),
    ];
    const message =
      `The ${cause} may be wrong: ${read} keeps less of black and white images, or more of their noise, than ${other.join(' ')}. ` +
      `Networks of data far from such images do so too. ${found.sign < 0 ? 'See' : `Give ${flag}, if that is`} what it was trained with.`;
    return { cause, severity, message, ...(flag && { flag }) };
  }
  if (cause === 'sign') {
    const opposite = `it is the opposite of ${found.parameterization}${flag && ` (with ${flag})`}`;
    const message = `The sign is flipped: ${read} does not denoise; ${opposite}. No flag turns it: export the network with the other sign.`;
    return { cause, severity, message };
  }
  if (cause === 'process') {
    const message = `The process looks wrong: ${read} does not denoise as it should; with ${flag} it does. Give ${flag}, if that is what it was trained with.`;
    return { cause, severity, message, flag };
  }
  const what =
    cause === 'labels' ? `fed with labels ${found.labels.name}` : `read as ${found.parameterization}`;
  // Under a wrong SDE, two flags together may happen to make a denoiser.
  const doubt = flags.length > 1 ? ' If it was not trained so, the SDE may be another: check --sde.' : '';
  const message = `The ${cause} ${cause === 'labels' ? 'look' : 'looks'} wrong: ${read} does not denoise; ${what} it does. Give ${flag}.${doubt}`;
  return { cause, severity, message, flag };
}

/** The finding of a network that denoises, and whose levels are rather those of another process. */
export function describeInconsistency(
  declared: Reading,
  { process = '', contradictions }: Repair & { readonly contradictions: readonly [number, number] },
): Finding {
  const [own, other] = contradictions.map((value) => value.toPrecision(2));
  return {
    cause: 'process',
    severity: 'warning',
    message:
      `The process may be wrong: read as ${declared.parameterization} with labels ${declared.labels.name}, what the network says at neighbouring ` +
      `noise levels contradicts itself by ${own!}, with ${process} by ${other!} (0: not at all). Give ${process}, if that is what it was trained with.`,
    flag: process,
  };
}

/** The finding of a network that denoises under no reading. */
export function describeUnrecognized(verdict: Verdict, levels: readonly LevelReading[]): Finding {
  const [, , large] = ends(levels);
  const measured = `at sigma / alpha = ${large.rho.toPrecision(3)} the estimate of x_0 carries ${large.leak.toPrecision(2)} times the noise`;
  const check =
    'Check the SDE and its constants (--sde), the labels (--labels) and that the network is trained.';
  return verdict === 'wrong'
    ? {
        cause: 'unrecognized',
        severity: 'error',
        message: `Its output does not denoise as it is read, and no other reading that was tried fits (${measured}). ${check}`,
      }
    : {
        cause: 'unrecognized',
        severity: 'warning',
        message:
          'The probe cannot tell whether it is read rightly: its output denoises black and white images poorly, as that of a network of data ' +
          `far from such images may, and no other reading that was tried fits better (${measured}). ${check}`,
      };
}

/** The finding of a network that says nothing of what it is given. */
export function describeUntrained(verdict: Verdict): Finding {
  return {
    cause: 'unrecognized',
    // v, flows and edm make a denoiser of white data of an output of zero.
    severity: verdict === 'right' ? 'warning' : 'error',
    message:
      'Its output follows neither the noise nor the image that it is given, at any noise level: the network looks untrained, or was ' +
      'exported without its weights. No reading of it denoises.',
  };
}

/** A finding where the largest noise of the process does not drown data of the declared range. */
export function findUndrowned(
  levels: readonly LevelReading[],
  [low, high]: readonly [number, number],
): Finding | undefined {
  const { rho } = levels.at(-1)!;
  if (rho >= (high - low) / 2) return undefined;
  return {
    cause: 'data-range',
    severity: 'error',
    message:
      `The data range looks wrong: it is declared as [${low}, ${high}], and the SDE's noise ends at ` +
      `${rho.toPrecision(3)} times the data. Give --data-range, such as 0,1, or the right constants of the SDE, or ladder.`,
    flag: '--data-range',
  };
}

/** A finding where the estimates of x_0 lie elsewhere than the declared data range. */
export function findMisplaced(
  levels: readonly LevelReading[],
  range: readonly [number, number],
): Finding | undefined {
  const [, middle, large] = ends(levels);
  const [low, high] = range;
  const relative = (value: number) => (value - low) / (high - low);
  const mean = relative((large.low + large.high) / 2);
  const outside = Math.max(-mean, mean - 1);
  const declared = `[${low}, ${high}]`;
  if (outside > 0.3) {
    return {
      cause: 'data-range',
      severity: outside > 0.6 ? 'error' : 'warning',
      message:
        `The data range looks wrong: it is declared as ${declared}, and the network takes the mean of its data for ` +
        `${((large.low + large.high) / 2).toPrecision(2)}. Give --data-range, such as -1,1.`,
      flag: '--data-range',
    };
  }
  if (mean > 0.45 && relative(middle.low) > 0.35 && relative(middle.high) > 0.7) {
    return {
      cause: 'data-range',
      severity: 'warning',
      message:
        `The data range may be wrong: it is declared as ${declared}, and the network takes a noised ${low} for ` +
        `${middle.low.toPrecision(2)} and keeps ${high}. Bright data look the same; if they are in another range, give --data-range, such as 0,1.`,
      flag: '--data-range',
    };
  }
  return undefined;
}
