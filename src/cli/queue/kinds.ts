import type { Command } from 'commander';
import { OptionError } from '../../errors.js';
import { evaluateCommand } from '../commands/evaluate.js';
import { likelihoodCommand, type LikelihoodFlags } from '../commands/likelihood.js';
import { restoreCommand } from '../commands/restore.js';
import { sampleCommand, type SampleFlags } from '../commands/sample.js';
import { unfollowed } from '../shared/report.js';

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
  readonly batches: number;
}

/** Workers at most that share a folder where the batches are not known before. */
const PLACES = 16;

/** A command that can be queued. */
export interface Kind {
  readonly command: () => Command;
  /** Where its parts go, and how many jobs they are; undefined where the whole command is one job. */
  readonly divide?: (flags: object) => Promise<Division | undefined>;
  /** For jobs of one batch each; without it, every job is the command itself, and shares the folder with the others. */
  readonly open?: (model: string | undefined, flags: object, signal: AbortSignal) => Promise<OpenRun>;
  /** Whether it makes samples, which can be merged. */
  readonly draws?: true;
}

export const commandNames = ['sample', 'likelihood', 'restore', 'evaluate'] as const;

export const kinds: Readonly<Record<(typeof commandNames)[number], Kind>> = {
  sample: { command: sampleCommand, divide: divideSampling, open: openSampling, draws: true },
  likelihood: { command: likelihoodCommand, divide: divideScoring, open: openScoring },
  restore: { command: restoreCommand, divide: divideRestoring },
  evaluate: { command: evaluateCommand },
};

async function divideSampling(given: object): Promise<Division> {
  const flags = given as SampleFlags;
  const { countToDraw } = await import('../commands/sample.js');
  const { namesFolder } = await import('../shared/outputs.js');
  const { output, shard, batch = 64 } = flags;
  if (output === undefined || !(await namesFolder(output)))
    throw new OptionError('output', output, 'a folder that all workers see, such as samples/');
  if (shard) throw new OptionError('shard', shard.text, 'left out: the queue divides the run');
  return { folder: output, batches: Math.ceil((countToDraw(flags) ?? 16) / batch) };
}

async function openSampling(path: string | undefined, given: object): Promise<OpenRun> {
  const flags = given as SampleFlags;
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
      return {
        first,
        count,
        shape: [count, ...shape],
        shards,
        output: [flags.output, ...(merge ? [merge] : [])],
      };
    },
    async close() {
      await decoder?.close();
      await open.model.close();
    },
  };
}

async function divideRestoring(given: object): Promise<Division | undefined> {
  const { namesFolder } = await import('../shared/outputs.js');
  const { output } = given as { readonly output?: string };
  const isFolder = output !== undefined && (await namesFolder(output));
  return isFolder ? { folder: output, batches: PLACES } : undefined;
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
