import { Command, Option } from 'commander';
import { FastsdeError } from '../../errors.js';
import { defined } from '../../options.js';
import { addOptions } from '../shared/arguments.js';
import { addRecipes } from '../shared/help.js';
import { counted, reportOptions } from '../shared/report.js';
import { run } from '../shared/run.js';
import { print, tell } from '../shared/terminal.js';
import { redisOption } from './worker.js';

interface SubmitFlags {
  readonly redis: string;
  readonly wait?: true;
  readonly cancel?: true;
  readonly merge?: string;
  readonly json?: true;
  readonly quiet?: true;
}

/** `fastsde submit`: puts a command into a queue, divided into jobs for workers. */
export function submitCommand(): Command {
  const command = new Command('submit')
    .summary('put a command into a queue for workers on many machines')
    .description(
      'Divides a command that fills a folder into jobs, or takes another one as one job, and puts them into a queue, of which "fastsde ' +
        'worker" takes them. The same command again finds the run that it submitted. The files have the bits of an undivided run. ' +
        'Needs the packages bullmq and ioredis.',
    )
    .usage('<command> [arguments of the command] [options]')
    .argument('<command>', 'sample, inpaint, colorize, restore, likelihood or evaluate')
    .argument('[arguments...]', 'its arguments: "fastsde <command> --help" tells them')
    .allowUnknownOption();
  addOptions(command, 'Options:', [
    redisOption(),
    new Option('--wait', 'wait for the end of the run, and report it'),
    new Option('--merge <file>', 'a .npy file for all samples, written at the end'),
    new Option('--cancel', 'end the run that was submitted with the same arguments').conflicts(['wait']),
    ...reportOptions(),
  ]);
  return addRecipes(command, [
    ['fastsde submit sample --count 50000 --output out/', 'divided among all workers'],
    ['fastsde submit sample --count 50000 --output out/ --wait', 'to its end'],
    ['fastsde submit evaluate --samples out/ --data mnist --wait', 'on one'],
  ]).action((name: string, rest: string[], flags: SubmitFlags) =>
    run((signal) => submit([name, ...rest], flags, signal)),
  );
}

async function submit(args: readonly string[], flags: SubmitFlags, signal: AbortSignal): Promise<void> {
  const { cancelRun, submitRun, waitForRun } = await import('../queue/submit.js');
  const { ProgressBar } = await import('../../io/progress.js');
  const { redis, merge, json, quiet } = flags;
  const where = { redis, ...defined({ merge }) };
  if (flags.cancel) {
    const { id } = await cancelRun(args, where);
    if (json) print(`${JSON.stringify({ id, cancelled: true })}\n`);
    if (!quiet) tell('cancelled; batches that are complete stay');
    return;
  }
  const queued = await submitRun(args, where);
  const { id, batches } = queued;
  if (!flags.wait) {
    if (json) print(`${JSON.stringify({ id, batches })}\n`);
    if (!quiet) tell(`submitted: ${counted(Math.max(1, batches), 'job')}`);
    return;
  }
  const bar = quiet ? undefined : new ProgressBar('Waiting for', 'job');
  try {
    const report = await waitForRun(queued, {
      ...where,
      signal,
      onProgress: (done, of) => bar?.update(done / Math.max(1, of), Math.max(1, of)),
    });
    bar?.clear();
    if (json) print(`${JSON.stringify({ id, batches, ...report })}\n`);
    if (!quiet) tell('done');
  } catch (cause) {
    bar?.clear();
    if (!signal.aborted) throw cause;
    throw new FastsdeError(
      'ERR_FASTSDE_INTERRUPTED',
      'Interrupted. The run goes on: the same command waits for it again, and --cancel ends it.',
      { cause },
    );
  }
}
