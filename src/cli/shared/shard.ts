import { createHash } from 'node:crypto';
import { InvalidArgumentError, Option } from 'commander';
import { FastsdeError, OutputError } from '../../errors.js';
import type { Part } from '../../shards/parts.js';
import type { ShardsOptions, ShardsResult } from '../../sampling/shards.js';
import { decoderRecord } from './autoencoder.js';
import { partOfLauncher } from './launcher.js';
import { namesFile } from './model.js';
import { fastsde } from './package.js';
import { counted, type Opened } from './report.js';
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

/** Draws samples into a folder, or goes on with that, and shows how far it is. */
export async function sampleInto(
  folder: string,
  { model, options: modelOptions, follow }: Opened,
  options: ShardsOptions,
): Promise<ShardsResult> {
  const { sampleShards } = await import('../../sampling/shards.js');
  const { assertWritable } = await import('../../io/atomic.js');
  await assertWritable(folder);
  const { decoder } = options;
  const origin = {
    ...(await originOf(modelOptions)),
    ...(decoder && { ...decoderRecord(decoder), decoder: await hashOf(decoder.source) }),
  };
  return keeping(folder, options.signal, () =>
    follow('Sampling', 'sample', (show) =>
      sampleShards(model, folder, {
        ...options,
        origin,
        onProgress: ({ fraction, count, step, steps }) => {
          show(fraction, count, `step ${step}/${steps}`);
        },
      }),
    ),
  );
}

/** Runs what fills a folder batch by batch; errors say that what is complete is kept. */
export async function keeping<T>(
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

/** Says how much of a folder was there already, and how much other processes did. */
export function tellShared(found: number, elsewhere: number): void {
  if (found > 0) tell(`${counted(found, 'sample')} were there already`);
  if (elsewhere > 0) tell(`${counted(elsewhere, 'sample')} were done by other processes`);
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
