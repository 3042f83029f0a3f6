import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { integer } from '../../src/cli/shared/arguments.js';
import { addGuidanceOptions } from '../../src/cli/shared/guidance.js';
import { addModelOptions, openModel, type ModelFlags } from '../../src/cli/shared/model.js';
import { sample, type SampleOptions } from '../../src/sampling/sample.js';
import type { ScoreModel } from '../../src/score/model.js';
import { levelAt, type Level } from '../../src/sde/level.js';

/** What scripts/conventions/export.py writes of a network: PyTorch's numbers at a few levels, and where samplers of others end. */
export interface Convention {
  readonly number: string;
  readonly network: string;
  readonly where: string;
  readonly file: string;
  /** Of the command line; null where the file says all. */
  readonly flags: string | null;
  readonly exporter: string;
  readonly label: number | null;
  /** Whether `levels` are those of a ladder, and no times. */
  readonly discrete: boolean;
  readonly levels: readonly number[];
  readonly x: readonly number[];
  readonly v: readonly number[];
  readonly score: readonly number[];
  readonly vjp: readonly number[];
  readonly runs: readonly {
    readonly kind: 'trajectory' | 'steps';
    readonly what: string;
    readonly options: SampleOptions;
    readonly end: readonly number[];
  }[];
}

/** The largest differences, each as a share of the largest value. */
export interface ConventionErrors {
  readonly score: number;
  /** Absent where the model is a guided one that has none. */
  readonly vjp: number | undefined;
  readonly runs: ReadonlyMap<string, number>;
}

/** What fastsde makes of a network by flags alone against what others make of it. The probe, for trained networks, is left out. */
export async function conventionErrors(folder: string, convention: Convention): Promise<ConventionErrors> {
  const flags = flagsOf(convention.flags ?? '', folder);
  const { model } = await openModel(`${folder}/${convention.file}`, flags);
  try {
    const { score, vjp } = await scores(model, convention);
    const runs = new Map<string, number>();
    for (const { what, options, end } of convention.runs) {
      const { samples } = await sample(model, { count: 2, seed: 0, ...options, ...classOf(convention) });
      runs.set(what, difference(samples, end));
    }
    return {
      score: difference(score, convention.score),
      vjp: vjp && difference(vjp, convention.vjp),
      runs,
    };
  } finally {
    await model.close();
  }
}

export function readConvention(path: string): Convention {
  return JSON.parse(readFileSync(path, 'utf8')) as Convention;
}

const classOf = ({ label }: Convention) => (label === null ? {} : { classLabel: label });

/** Flags as the command line reads them; the files that they name lie in the folder. */
export function flagsOf(flags: string, folder: string): ModelFlags {
  const words = Array.from(flags.matchAll(/'([^']*)'|(\S+)/g), ([, quoted, bare]) => quoted ?? bare!);
  const files = words.map((word) => word.replace(/([\w-]+\.(?:npy|json|onnx))$/, `${folder}/$1`));
  const command = new Command().exitOverride().addOption(integer('--class <n>', 'class'));
  addModelOptions(command, { mixture: false });
  addGuidanceOptions(command);
  command.parse([...files, '--no-probe'], { from: 'user' });
  return command.opts<ModelFlags>();
}

/** The score and its transposed Jacobian product. */
async function scores(
  model: ScoreModel,
  { levels, x, v, discrete, label }: Convention,
): Promise<{ score: number[]; vjp?: number[] }> {
  const at = levels.map((level) =>
    discrete ? levelAt(model, indexTime(model, level), level) : levelAt(model, level),
  );
  const labels = label === null ? undefined : new Int32Array(levels.length).fill(label);
  const [state, cotangent] = [Float32Array.from(x), Float32Array.from(v)];
  const [output, product, alone] = [x, x, x].map(({ length }) => new Float32Array(length));
  await model.evaluate(state, at, alone!, labels);
  const score = scored(model, at, x, alone!);
  const vjp = await model.differentiate?.();
  if (!vjp) return { score };
  await vjp(state, cotangent, at, output!, product!, labels);
  return { score, vjp: scored(model, at, v, product!) };
}

const indexTime = ({ sde, ladder }: ScoreModel, index: number): number =>
  (sde.T * (index + 1)) / ladder!.levels;

/** The affine map of network outputs to scores, and of their products to those of the score. */
function scored(
  model: ScoreModel,
  levels: readonly Level[],
  x: readonly number[],
  F: Float32Array,
): number[] {
  const width = x.length / levels.length;
  return x.map((value, i) => {
    const { state, output } = model.coefficients(levels[Math.floor(i / width)]!);
    return state * value + output * F[i]!;
  });
}

function difference(ours: ArrayLike<number>, theirs: readonly number[]): number {
  if (ours.length !== theirs.length)
    throw new Error(`${ours.length} numbers where ${theirs.length} are expected`);
  const largest = Math.max(...theirs.map(Math.abs));
  return Math.max(...theirs.map((value, i) => Math.abs(value - ours[i]!))) / largest;
}
