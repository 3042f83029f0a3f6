import type { Redis } from 'ioredis';
import { LoadError, OptionError, QueueError } from '../../errors.js';

/** Name of the queue on the server. */
export const QUEUE = 'fastsde';

/** What the queue's engine needs: streams, and their claims. */
const OLDEST = [6, 2] as const;

/** Milliseconds between two attempts to reach a server that went away. */
const AGAIN_AFTER = 500;

/** The engine of the queue. @throws LoadError where it is not installed. */
export async function loadBullMq(): Promise<typeof import('bullmq')> {
  try {
    return await import('bullmq');
  } catch (cause) {
    throw new LoadError('Queues need the packages bullmq and ioredis: npm install bullmq ioredis.', {
      cause,
    });
  }
}

/**
 * Connects to a Redis server. A server that goes away later is waited for.
 *
 * @param url Such as redis://localhost:6379, or rediss://user:password@host:6379/0.
 * @throws OptionError, LoadError where ioredis is not installed, QueueError where no server answers or it is too old.
 */
export async function connect(url: string): Promise<Redis> {
  if (!/^rediss?:\/\/./.test(url) || !URL.canParse(url))
    throw new OptionError('redis', url, 'an address such as redis://localhost:6379');
  await loadBullMq();
  const { Redis } = await import('ioredis');
  let reached = false;
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: 5000,
    // Jobs wait for the server, however long it is away.
    maxRetriesPerRequest: null,
    retryStrategy: () => (reached ? AGAIN_AFTER : null),
  });
  let reason = '';
  redis.on('error', (error: Error) => {
    reason = error.message;
  });
  try {
    await redis.connect();
    reached = true;
    await checkVersion(redis, url);
    return redis;
  } catch (cause) {
    redis.disconnect();
    if (cause instanceof QueueError) throw cause;
    throw new QueueError(
      `No Redis server answers at ${withoutPassword(url)} (${reason || (cause as Error).message}). Start one, such as ` +
        '"redis-server --appendonly yes" or "docker run -p 6379:6379 redis", or give its address with --redis.',
      { option: 'redis', cause },
    );
  }
}

async function checkVersion(redis: Redis, url: string): Promise<void> {
  const found = /^redis_version:(\S+)/m.exec(await redis.info('server'))?.[1] ?? 'unknown';
  const [major = 0, minor = 0] = found.split('.').map(Number);
  if (major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])) return;
  throw new QueueError(
    `The server at ${withoutPassword(url)} is Redis ${found}; a queue needs ${OLDEST.join('.')} or later.`,
    { option: 'redis' },
  );
}

function withoutPassword(url: string): string {
  const address = new URL(url);
  address.password = '';
  return address.href;
}

/** Where the server keeps why the jobs of a run are not to be done any more. */
export function stopKey(id: string): string {
  return `${QUEUE}:stopped:${id}`;
}

/** Seconds for which the server keeps what became of a run. */
export const KEPT: number = 7 * 24 * 3600;
