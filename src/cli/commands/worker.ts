import { Command, Option } from 'commander';
import { defined } from '../../options.js';
import { addOptions, integer } from '../shared/arguments.js';
import { addRecipes } from '../shared/help.js';
import { run } from '../shared/run.js';
import { tell } from '../shared/terminal.js';

interface WorkerFlags {
  readonly redis: string;
  readonly threads?: number;
  readonly lockDuration?: number;
  readonly quiet?: true;
}

/** Where the server of a queue is. */
export function redisOption(): Option {
  return new Option('--redis <url>', 'the Redis server that keeps the queue')
    .env('FASTSDE_REDIS')
    .default('redis://localhost:6379');
}

/** `fastsde worker`: does the jobs that "fastsde submit" puts into a queue. */
export function workerCommand(): Command {
  const command = new Command('worker')
    .summary('do the jobs of a queue until it is stopped')
    .description(
      'Takes jobs that "fastsde submit" put into a queue, one after the other, until Ctrl-C or SIGTERM, which give the job at hand ' +
        'back. Start as many as there are machines or devices, each in the folder in which runs are submitted, as its machine sees ' +
        'it. A worker that dies loses no job: another takes it over. Needs the packages bullmq and ioredis, and a server: redis-server ' +
        '--appendonly yes.',
    );
  addOptions(command, 'Options:', [
    redisOption(),
    integer('--threads <n>', 'threads of networks and kernels (default: as the run says, else one per core)'),
    integer(
      '--lock-duration <ms>',
      'silence after which the job of a worker is given to another (default: 30000)',
    ),
    new Option('--quiet', 'no line for each job on stderr'),
  ]);
  return addRecipes(command, [
    ['fastsde worker', 'works for the server at localhost until Ctrl-C'],
    ['fastsde worker --threads 1', 'on one core: start as many as there are'],
    ['fastsde worker --redis redis://queue:6379', 'for a server elsewhere'],
  ]).action((flags: WorkerFlags) =>
    run(async (signal) => {
      const { checkInteger } = await import('../../options.js');
      const { work } = await import('../queue/worker.js');
      const { redis, threads, lockDuration, quiet } = flags;
      if (threads !== undefined) checkInteger('threads', threads, 1);
      if (lockDuration !== undefined) checkInteger('lockDuration', lockDuration, 100, 3_600_000);
      await work({
        ...{ redis, signal },
        ...defined({ threads, lockDuration, onEvent: quiet ? undefined : tell }),
      });
    }),
  );
}
