// A server that draws digits, and shows them on their way.
//
//   node --experimental-strip-types examples/preview-service/server.ts     (Node 22; PORT=8080 by default)
//
// GET /           a page that shows previews
// GET /sample     ?count=16&steps=100&seed=0: server-sent events `preview`, then `result` or `failure`
// GET /health     how many requests wait
import { readFile } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import {
  embeddedModel,
  encodePng,
  EngineError,
  FastsdeError,
  imageGrid,
  openEngines,
  OptionError,
  QueueFullError,
} from 'fastsde';

const engines = await openEngines(embeddedModel('vp'), { engines: 2, threads: 2, queue: 20 });

/** Milliseconds that a reader may take for an event, and that requests under way have when the server is told to stop. */
const patience = { reader: 30_000, stop: 10_000 };

const server = createServer(({ url = '/' }, response) => {
  answer(url, response).catch((error: unknown) => {
    refuse(response, error);
  });
});

async function answer(target: string, response: ServerResponse): Promise<void> {
  if (!URL.canParse(target, 'http://localhost')) throw new OptionError('url', target, 'a path');
  const { pathname: path, searchParams: query } = new URL(target, 'http://localhost');
  if (path === '/') {
    response.setHeader('content-type', 'text/html; charset=utf-8');
    response.end(await readFile(new URL('page.html', import.meta.url)));
  } else if (path === '/health') {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ waiting: engines.waiting }));
  } else if (path === '/sample') {
    await stream(query, response);
  } else {
    response.writeHead(404).end('Not found\n');
  }
}

/** Draws samples, and sends them as events. What is wrong before the first event becomes a status, afterwards a `failure`. */
async function stream(query: URLSearchParams, response: ServerResponse): Promise<void> {
  const steps = number(query, 'steps', 40, 1000);
  // Who goes away, or closes the page, does not want the samples any more.
  const left = new AbortController();
  response.once('close', () => {
    left.abort();
  });
  const run = engines.sample({
    count: number(query, 'count', 16, 64),
    steps,
    seed: number(query, 'seed', 0, Number.MAX_SAFE_INTEGER),
    preview: 'x0',
    previewEvery: Math.ceil(steps / 20),
    signal: left.signal,
  });
  for await (const { step, samples, shape } of run)
    await send(response, left.signal, 'preview', { step, steps, image: await picture(samples, shape) });
  const { samples, shape, counts, seconds } = await run;
  await send(response, left.signal, 'result', {
    steps,
    counts,
    seconds,
    image: await picture(samples, shape),
  });
  response.end();
}

/** Waits where the reader is slow, while the engine leaves previews out; who does not read at all is cut off. */
async function send(response: ServerResponse, left: AbortSignal, event: string, data: object): Promise<void> {
  if (!response.headersSent)
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  if (response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`)) return;
  const signal = AbortSignal.any([left, AbortSignal.timeout(patience.reader)]);
  await once(response, 'drain', { signal }).catch((error: unknown) => {
    response.destroy();
    throw error;
  });
}

function refuse(response: ServerResponse, error: unknown): void {
  if (response.destroyed) return;
  const { message } = error as Error;
  if (!(error instanceof FastsdeError)) console.error(error);
  if (response.headersSent) {
    response.end(`event: failure\ndata: ${JSON.stringify({ message })}\n\n`);
    return;
  }
  const busy = error instanceof QueueFullError || error instanceof EngineError;
  const status = error instanceof OptionError ? 400 : busy ? 503 : 500;
  response.writeHead(status, {
    'content-type': 'application/json',
    ...(status === 503 && { 'retry-after': '5' }),
  });
  response.end(JSON.stringify({ message }));
}

function number(query: URLSearchParams, name: string, otherwise: number, most: number): number {
  const value = Number(query.get(name) ?? otherwise);
  if (value <= most) return value;
  throw new OptionError(name, query.get(name), `a number of at most ${most}`);
}

async function picture(samples: Float32Array, shape: readonly number[]): Promise<string> {
  const png = await encodePng(imageGrid({ samples, shape, range: engines.sde.dataRange }));
  return `data:image/png;base64,${Buffer.from(png).toString('base64')}`;
}

server.listen(Number(process.env['PORT'] ?? 8080), () => {
  const address = server.address();
  if (typeof address === 'object') console.log(`http://localhost:${address?.port ?? ''}/`);
});

process.once('SIGTERM', () => {
  server.close();
  const over = setTimeout(() => void engines.close({ abort: true }), patience.stop);
  void engines.close().finally(() => {
    clearTimeout(over);
  });
});
