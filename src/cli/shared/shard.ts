import { createHash } from 'node:crypto';
import { InvalidArgumentError, Option } from 'commander';
import { FastsdeError, OptionError, OutputError } from '../../errors.js';
import type { Part } from '../../shards/parts.js';
import { partOfLauncher } from './launcher.js';
import { namesFile } from './model.js';
import { fastsde } from './package.js';
import { counted, type Opened, type ReportFlags, type Show } from './report.js';
import { tell } from './terminal.js';

/** A part of a run, and how it was written. */
export interface ShardFlag extends Part {
  readonly text: string;
}

/** `--shard i/n`: one of the parts of a run, for the jobs of an array. */
export function shardOption(): Option {
  return new Option(
    '--shard <i/n>',
    'draw part i, from 0, of n parts of the run, into a folder; auto: as Slurm, MPI or Kubernetes say',
  ).argParser((text: string): ShardFlag => {
    const [, index, of] = /^(\d+)\/(\d+)$/.exec(text) ?? [];
    if (index !== undefined && Number(index) < Number(of))
      return { index: Number(index), of: Number(of), text };
    if (text !== 'auto')
      throw new InvalidArgumentError('Expected i/n with i from 0 to n - 1, such as 0/8, or auto.');
    const part = partOfLauncher(process.env);
    if (part) return { ...part, text };
    throw new InvalidArgumentError(
      'Nothing says which part this process is to draw: there is no array or task of Slurm, no rank of MPI, and no Indexed Job of ' +
        'Kubernetes with FASTSDE_SHARDS. Several processes may also draw into one folder without --shard.',
    );
  });
}

/**
 * The folder that --output names, if it does.
 *
 * @throws OptionError for a part of a run without a folder.
 */
export async function folderOf(flags: {
  readonly output?: string;
  readonly shard?: ShardFlag;
}): Promise<string | undefined> {
  const { namesFolder } = await import('./outputs.js');
  const { output, shard } = flags;
  if (output !== undefined && (await namesFolder(output))) return output;
  if (!shard) return undefined;
  throw new OptionError('shard', shard.text, 'left out unless --output is a folder, such as samples/');
}

/**
 * Runs what fills a folder, or goes on with that, shows how far it is, and tells what was there and what other processes did.
 * `work` is told what the model is.
 */
export async function fillFrom<
  T extends Readonly<Record<'found' | 'elsewhere', number>> & { readonly warnings: readonly string[] },
>(
  { options, follow }: Opened,
  folder: string,
  label: string,
  { quiet }: ReportFlags,
  signal: AbortSignal,
  work: (origin: Readonly<Record<string, unknown>>, show: Show) => Promise<T>,
): Promise<T> {
  const { assertWritable } = await import('../../io/atomic.js');
  await assertWritable(folder);
  const origin = await originOf(options);
  const result = await keeping(folder, signal, () => follow(label, 'sample', (show) => work(origin, show)));
  const { found, elsewhere } = result;
  if (!quiet && found > 0) tell(`${counted(found, 'sample')} were there already`);
  if (!quiet && elsewhere > 0) tell(`${counted(elsewhere, 'sample')} were done by other processes`);
  return result;
}

/** Runs what fills a folder batch by batch; errors say that what is complete is kept. */
async function keeping<T>(
  folder: string,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const kept = `Batches that are complete stay in ${folder}; the same command goes on from there.`;
    if (signal?.aborted) throw new FastsdeError('ERR_FASTSDE_INTERRUPTED', `Interrupted. ${kept}`, { cause });
    if (cause instanceof OutputError) throw new OutputError(`${cause.message} ${kept}`, { cause });
    throw cause;
  }
}

/** What makes samples what they are beside the options of the sampler; not where files lie, nor the threads. */
export async function originOf(
  modelOptions: Readonly<Record<string, unknown>>,
): Promise<Record<string, unknown>> {
  const { model, mixture, classifier, guide, ladder, sdeTable, ...rest } = modelOptions as Readonly<
    Record<string, string>
  >;
  const second = classifier ?? guide;
  return {
    fastsde: fastsde.version,
    sha256: await hashOf((model ?? mixture)!),
    ...(second !== undefined && { second: await hashOf(second) }),
    ...(ladder !== undefined && { ladder: namesFile(ladder) ? await hashOf(ladder) : ladder }),
    ...(sdeTable !== undefined && { sdeTable: await hashOf(sdeTable) }),
    ...rest,
    threads: undefined,
  };
}

/** The hash of a file, or of the networks in a folder of diffusers. */
export async function hashOf(path: string): Promise<string> {
  const { isFolder } = await import('../../io/atomic.js');
  const { openFile } = await import('../../io/read.js');
  const { pipelineFiles } = await import('../../score/network/pipeline-folder.js');
  const hash = createHash('sha256');
  for (const file of (await isFolder(path)) ? await pipelineFiles(path) : [path]) {
    for await (const bytes of (await openFile(file)).createReadStream()) hash.update(bytes as Buffer);
  }
  return hash.digest('hex');
}
