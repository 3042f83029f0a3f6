import { createHash } from 'node:crypto';
import { CommanderError } from 'commander';
import { DataError, OptionError } from '../../errors.js';
import { checkChoice } from '../../options.js';
import { fastsde } from '../shared/package.js';
import type { ShardFlag } from '../shared/shard.js';
import { commandNames, kinds, type Kind } from './kinds.js';

/** A command whose work the queue hands out. */
export interface QueuedRun {
  /** The version that divided it; only that version does its jobs. */
  readonly fastsde: string;
  /** The command and its arguments, as one types them behind `fastsde`. */
  readonly args: readonly string[];
  /** The same for the same version and arguments. */
  readonly id: string;
  /** Where the batches go; absent where the whole command is one job. */
  readonly folder?: string;
  /** Into how many jobs it is divided. */
  readonly batches: number;
  /** A file for all samples, written when they are there. */
  readonly merge?: string;
}

/** A command line as the command itself understands it. */
export interface ParsedRun {
  readonly kind: Kind;
  readonly model: string | undefined;
  readonly flags: object;
}

/** Runs that are divided so finely burden the server more than the workers. */
const MOST_BATCHES = 100_000;

/**
 * The run that a command line stands for, and how it is divided.
 *
 * @throws OptionError or DataError for a command that cannot be queued, or arguments that it does not take.
 */
export async function describeRun(args: readonly string[], merge?: string): Promise<QueuedRun> {
  const { kind, flags } = parseRun(args);
  const { shard, output } = flags as { readonly shard?: ShardFlag; readonly output?: string };
  if (shard) throw new OptionError('shard', shard.text, 'left out: the queue divides the run');
  if (merge !== undefined && !(kind.filling?.draws && merge.endsWith('.npy')))
    throw new OptionError(
      'merge',
      merge,
      'a .npy file for samples, which "fastsde submit sample" draws, say',
    );
  const id = createHash('sha256')
    .update(JSON.stringify([fastsde.version, merge, ...args]))
    .digest('hex')
    .slice(0, 24);
  const run = { fastsde: fastsde.version, args, id };
  const division = await kind.filling?.divide(flags);
  if (!division && merge !== undefined)
    throw new OptionError('output', output, 'a folder that all workers see, whose samples can be merged');
  if (!division) return { ...run, batches: 0 };
  const { folder, batches } = division;
  if (batches > MOST_BATCHES)
    throw new OptionError('batch', batches, `large enough for at most ${MOST_BATCHES} batches in a run`);
  return { ...run, folder, batches, ...(merge !== undefined && { merge }) };
}

/** Reads the arguments of a command as the command does. */
export function parseRun(args: readonly string[]): ParsedRun {
  const [name, ...rest] = args;
  const kind = kinds[checkChoice('command', name ?? '', commandNames)];
  const command = kind
    .command()
    .exitOverride()
    .configureOutput({ writeErr: () => undefined, writeOut: () => undefined })
    .action(() => undefined);
  try {
    command.parse(rest, { from: 'user' });
  } catch (cause) {
    if (!(cause instanceof CommanderError)) throw cause;
    throw new DataError(`fastsde ${name!}: ${cause.message.replace(/^error: /, '')}`, { cause });
  }
  const [model] = command.processedArgs as (string | undefined)[];
  return { kind, model, flags: command.opts() };
}
