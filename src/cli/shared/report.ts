import { Argument, Option } from 'commander';
import type { Progress } from '../../sampling/previews.js';
import { openModel, type ModelFlags, type OpenModel } from './model.js';
import { print, suggest, tell, warn } from './terminal.js';

/** Flags that say what a command tells of its run. */
export interface ReportFlags {
  readonly json?: true;
  readonly quiet?: true;
}

export function reportOptions(): Option[] {
  return [
    new Option('--json', 'print one JSON object about the run on stdout'),
    new Option('--quiet', 'no progress, summary or warnings on stderr, but that the model is read wrong'),
  ];
}

export function modelArgument(): Argument {
  return new Argument(
    '[model]',
    'ONNX file of a score network, a folder of diffusers, or cifar10 (in @fastsde/models); without one, the embedded MNIST model ' +
      '(--sde vp or ve)',
  );
}

/** What there is to say about a run that is over. */
export interface Report {
  /** What --json prints, before the warnings and the options. */
  readonly record: object;
  /** Every option of the run as resolved, beside the model's. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly summary: string;
  /** What is printed without --json. Default: nothing. */
  readonly text?: string;
  /** What to try next, told on a terminal. */
  readonly next?: string | undefined;
}

/** Shows that a share of so many units is done. */
export type Show = (fraction: number, count: number, detail: string) => void;

/** A model that a command uses, and the means to tell of that. */
export interface Opened extends Pick<OpenModel, 'model' | 'law' | 'options'> {
  /** Tells warnings, and keeps them for the report. */
  readonly doubt: (warnings: readonly string[]) => void;
  /** Does work with a progress bar, and tells the warnings of its result. */
  readonly follow: <T extends { readonly warnings: readonly string[] }>(
    label: string,
    unit: string,
    work: (show: Show) => PromiseLike<T>,
  ) => Promise<T>;
}

/** Opens the model that the flags ask for, runs the body of a command with it, closes it, and tells what the body reports. */
export async function withModel(
  path: string | undefined,
  flags: ModelFlags & ReportFlags,
  body: (opened: Opened) => Promise<Report>,
): Promise<void> {
  const { ProgressBar } = await import('../../io/progress.js');
  const { model, law, options, warnings, misreadings } = await openModel(path, flags);
  const doubts: string[] = [];
  const doubt = (found: readonly string[]): void => {
    doubts.push(...found);
    if (!flags.quiet) warn(found);
  };
  try {
    doubt(warnings);
    // Samples of a network that is read wrong look like samples.
    if (flags.quiet) warn(misreadings);
    const report = await body({
      model,
      ...(law && { law }),
      options,
      doubt,
      async follow(label, unit, work) {
        const bar = flags.quiet ? undefined : new ProgressBar(label, unit);
        const result = await Promise.resolve(
          work((...state) => {
            bar?.update(...state);
          }),
        ).finally(() => {
          bar?.clear();
        });
        doubt(result.warnings);
        return result;
      },
    });
    const record = { ...report.record, warnings: doubts, options: { ...options, ...report.options } };
    if (flags.json) print(`${JSON.stringify(record)}\n`);
    else if (report.text !== undefined) print(report.text);
    if (!flags.quiet) tell(report.summary);
    if (!flags.quiet && !flags.json && report.next !== undefined) suggest(report.next);
  } finally {
    await model.close();
  }
}

/** A model for work that no terminal follows; what share of it is done goes to `onProgress`. */
export function unfollowed(
  { model, law, options }: OpenModel,
  onProgress: (fraction: number) => void,
): Opened {
  return {
    model,
    ...(law && { law }),
    options,
    doubt: () => undefined,
    follow: (_label, _unit, work) => Promise.resolve(work(onProgress)),
  };
}

/** Shows the steps of a run. */
export function showingSteps(show: Show): { readonly onProgress: (progress: Progress) => void } {
  return {
    onProgress: ({ fraction, count, step, steps }) => {
      show(fraction, count, `step ${step}/${steps}`);
    },
  };
}

/** Shows the times that an integration reaches. */
export function showingTimes(show: Show): {
  readonly onProgress: (progress: {
    readonly fraction: number;
    readonly count: number;
    readonly time: number;
  }) => void;
} {
  return {
    onProgress: ({ fraction, count, time }) => {
      show(fraction, count, reached(time));
    },
  };
}

/** How a progress bar tells the time that a run has reached. */
function reached(time: number): string {
  return `t ${time.toPrecision(3)}`;
}

/** Score evaluations that each sample took: one number, or the least and the most. */
export function evaluationRange(evaluations: Int32Array): string {
  const least = evaluations.reduce((a, b) => Math.min(a, b));
  const most = evaluations.reduce((a, b) => Math.max(a, b));
  return least === most ? String(least) : `${least} to ${most}`;
}

/** "1 sample", "2 samples". */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
