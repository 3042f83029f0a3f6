import { extname } from 'node:path';
import { Command, Option } from 'commander';
import { OptionError } from '../../errors.js';
import { addOptions } from '../shared/arguments.js';
import { addRecipes } from '../shared/help.js';
import { run } from '../shared/run.js';
import { print, tell } from '../shared/terminal.js';

interface MergeFlags {
  readonly output?: string;
  readonly json?: true;
  readonly quiet?: true;
}

/** `fastsde merge`: verifies the folders of a run and joins their samples. */
export function mergeCommand(): Command {
  const command = new Command('merge')
    .summary('verify and join the samples of a folder')
    .description(
      'Checks that the folders which "fastsde sample" wrote hold one whole run, every file as it was written, and joins ' +
        'the samples in the order of their indices.',
    )
    .argument('<folders...>', 'the folder of a run, or the folders of its parts');
  addOptions(command, 'Options:', [
    new Option('--output <file>', 'a .npy file for all samples; without it they are only verified'),
    new Option('--json', 'print one JSON object on stdout'),
    new Option('--quiet', 'no summary on stderr'),
  ]);
  return addRecipes(command, [
    ['fastsde merge digits/', 'is the run whole and undamaged?'],
    ['fastsde merge digits/ --output digits.npy', 'all samples in one file'],
    ['fastsde merge part-0/ part-1/ --output all.npy', 'of parts in several folders'],
  ]).action((folders: string[], flags: MergeFlags) => run((signal) => merge(folders, flags, signal)));
}

async function merge(
  folders: string[],
  { output, json, quiet }: MergeFlags,
  signal: AbortSignal,
): Promise<void> {
  if (output !== undefined && extname(output).toLowerCase() !== '.npy')
    throw new OptionError('output', output, 'a file ending in .npy');
  const { mergeShards } = await import('../../sampling/merge.js');
  const { run, shards } = await mergeShards(folders, output, { signal });
  const { first, count, shape } = run;
  const report = {
    first,
    count,
    shape: [count, ...shape],
    shards,
    ...(output !== undefined && { output }),
    run,
  };
  if (json) print(`${JSON.stringify(report)}\n`);
  const where = output === undefined ? 'complete and undamaged' : output;
  if (!quiet) tell(`${count} samples of ${shards} files: ${where}`);
}
