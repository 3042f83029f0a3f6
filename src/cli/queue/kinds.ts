import type { Command } from 'commander';
import { OptionError } from '../../errors.js';
import { colorize } from '../commands/colorize.js';
import { evaluateCommand } from '../commands/evaluate.js';
import { inpaint } from '../commands/inpaint.js';
import { likelihoodCommand, type LikelihoodFlags } from '../commands/likelihood.js';
import { restoration } from '../commands/restore.js';
import { sampleCommand, type SampleFlags } from '../commands/sample.js';
import { restorationCommand, type RestorationKind } from '../restoration/command.js';
import type { RestorationFlags } from '../restoration/flags.js';
import { unfollowed, type Opened } from '../shared/report.js';

/** What a job is given beside its part of the run. */
export interface Turn {
  readonly signal: AbortSignal;
  /** Share of the job that is done. */
  readonly onProgress: (fraction: number) => void;
}

/** A run whose model and data a worker has at hand. */
export interface OpenRun {
  /** Does one batch; one that is done already takes no work. */
  readonly batch: (number: number, turn: Turn) => Promise<void>;
  /** What is left when all batches are there; returns what the run reports. `merge` is a file for all samples. */
  readonly finish: (turn: Turn, merge?: string) => Promise<object>;
  readonly close: () => Promise<void>;
}

/** A run that fills a folder. */
interface Division {
  readonly folder: string;
  /** Into so many jobs. */
  readonly batches: number;
}

/** A command that can be queued. */
export interface Kind {
  readonly command: () => Command;
  /** How it fills a folder; without it, the command is one job. */
  readonly filling?: {
    /** Undefined where it fills none: then the command is one job too. */
    readonly divide: (flags: object) => Promise<Division | undefined>;
    readonly open: (
      model: string | undefined,
      flags: object,
      signal: AbortSignal,
      jobs: number,
    ) => Promise<OpenRun>;
    /** Whether it makes samples, which can be merged. */
    readonly draws?: true;
  };
}

export const commandNames = ['sample', 'inpaint', 'colorize', 'restore', 'likelihood', 'evaluate'] as const;

export const kinds: Readonly<Record<(typeof commandNames)[number], Kind>> = {
  sample: { command: sampleCommand, filling: { divide: divideSampling, open: openSampling, draws: true } },
  inpaint: restoring(inpaint),
  colorize: restoring(colorize),
  restore: restoring(restoration),
  likelihood: { command: likelihoodCommand, filling: { divide: divideScoring, open: openScoring } },
  evaluate: { command: evaluateCommand },
};

async function divideSampling(given: object): Promise<Division> {
  const flags = given as SampleFlags;
  const { countToDraw } = await import('../commands/sample.js');
  const { folderOf } = await import('../shared/shard.js');
  const { output, batch = 64 } = flags;
  const folder = await folderOf(flags);
  if (folder === undefined)
    throw new OptionError('output', output, 'a folder that all workers see, such as samples/');
  return { folder, batches: Math.ceil((countToDraw(flags) ?? 16) / batch) };
}

async function openSampling(path: string | undefined, given: object): Promise<OpenRun> {
  const flags = { ...given, quiet: true } as SampleFlags;
  const { drawInto } = await import('../commands/sample.js');
  const { openDecoder } = await import('../shared/autoencoder.js');
  const { openModel } = await import('../shared/model.js');
  const open = await openModel(path, flags);
  const decoder = await openDecoder(path, flags, open.model.shape);
  return {
    async batch(number, { signal, onProgress }) {
      await drawInto(unfollowed(open, onProgress), decoder, flags, signal, [number]);
    },
    async finish({ signal }, merge) {
      const { mergeShards } = await import('../../sampling/merge.js');
      const { run, shards } = await mergeShards([flags.output!], merge, { signal });
      const { first, count, shape } = run;
      return { first, count, shape: [count, ...shape], shards, output: outputs(flags.output!, merge) };
    },
    async close() {
      await decoder?.close();
      await open.model.close();
    },
  };
}

function restoring(restoration: RestorationKind): Kind {
  return {
    command: () => restorationCommand(restoration),
    filling: { divide: divideRestoring, open: (...of) => openRestoring(restoration, ...of), draws: true },
  };
}

/** Jobs of a restoration at most: how many batches it has is known where its model and its data are. */
const MOST_SHARES = 64;

async function divideRestoring(given: object): Promise<Division | undefined> {
  const flags = given as RestorationFlags;
  const { folderOf } = await import('../shared/shard.js');
  const folder = await folderOf(flags);
  const { limit = 8, count = 4 } = flags;
  return folder === undefined
    ? undefined
    : { folder, batches: Math.min(MOST_SHARES, Math.max(1, limit * count)) };
}

async function openRestoring(
  restoration: RestorationKind,
  path: string | undefined,
  given: object,
  signal: AbortSignal,
  jobs: number,
): Promise<OpenRun> {
  const flags = { ...given, quiet: true } as RestorationFlags;
  const { drawingOf, reportOf, restoreInto } = await import('../restoration/draw.js');
  const { isLinear } = await import('../../control/operator.js');
  const { openModel } = await import('../shared/model.js');
  const open = await openModel(path, flags);
  const opened = (onProgress: (fraction: number) => void): Opened => unfollowed(open, onProgress);
  const drawing = await drawingOf(
    restoration,
    opened(() => undefined),
    flags,
    signal,
  );
  return {
    async batch(number, { signal, onProgress }) {
      await restoreInto(opened(onProgress), drawing, flags, signal, { index: number, of: jobs });
    },
    async finish({ signal, onProgress }, merge) {
      const { mergeShards } = await import('../../sampling/merge.js');
      const result = await restoreInto(opened(onProgress), drawing, flags, signal);
      if (merge !== undefined) await mergeShards([flags.output!], merge, { signal });
      const { record } = reportOf(result, drawing, flags.output!);
      return { ...record, output: outputs(flags.output!, merge) };
    },
    async close() {
      const { operator } = drawing.known;
      if (!isLinear(operator)) await operator.close?.();
      await open.model.close();
    },
  };
}

async function divideScoring(given: object): Promise<Division> {
  const { output = [], count, batch = 64 } = given as LikelihoodFlags;
  const { placesOf } = await import('../commands/likelihood.js');
  const { folder } = await placesOf(output);
  if (folder === undefined)
    throw new OptionError('output', output.join(' '), 'a folder that all workers see, such as results/');
  if (count === undefined)
    throw new OptionError('count', count, 'given, the number of samples, so that the run can be divided');
  return { folder, batches: Math.ceil(count / batch) };
}

async function openScoring(path: string | undefined, given: object, signal: AbortSignal): Promise<OpenRun> {
  const flags = { ...given, quiet: true } as LikelihoodFlags;
  const { dataOf, placesOf, recordOf, score } = await import('../commands/likelihood.js');
  const { openModel } = await import('../shared/model.js');
  const { checkResultPath, writeResults } = await import('../shared/likelihood-results.js');
  const { folder, files } = await placesOf(flags.output ?? []);
  for (const file of files) await checkResultPath(file);
  const open = await openModel(path, flags);
  const data = await dataOf(
    unfollowed(open, () => undefined),
    flags,
    signal,
  );
  return {
    async batch(number, { signal, onProgress }) {
      await score(unfollowed(open, onProgress), data, flags, signal, folder, [number]);
    },
    async finish({ signal, onProgress }) {
      const scored = await score(unfollowed(open, onProgress), data, flags, signal, folder);
      for (const file of files) await writeResults(file, scored);
      // What is said of each sample is in the files, not in the queue.
      return { ...recordOf(scored), samples: undefined, output: flags.output };
    },
    close: () => open.model.close(),
  };
}

function outputs(folder: string, merge: string | undefined): string[] {
  return [folder, ...(merge === undefined ? [] : [merge])];
}
