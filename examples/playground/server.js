// A page to play with: samples on their way from noise, of a Gaussian mixture in the plane or of digits.
//
//   node examples/playground/server.js     (PORT=8080 and HOST=localhost by default)
//
// GET /             the page, with what it loads
// GET /names        the methods, SDEs and grids to choose from
// GET /health       how many runs there are
// POST /draw        a run as JSON (draw.js); answered by a message of JSON in each line: frames, then the result or a failure
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname } from 'node:path';
import { EngineError, FastsdeError, OptionError, QueueFullError } from 'fastsde';
import { closeEngines, draw, names } from './draw.js';

/** What one client, and all of them, may take. Behind a proxy every client has its address: let the proxy limit them there. */
const limits = { body: 16_384, runs: 40, runsPerClient: 4, connections: 1000, connectionsPerClient: 64 };

/** Milliseconds: for a run, for a reader to take what was sent, without a sign of life, and for runs when the server is told to stop. */
const patience = { run: 120_000, reader: 30_000, pulse: 10_000, idle: 60_000, stop: 10_000 };

const types = { '.html': 'text/html', '.css': 'text/css', '.js': 'text/javascript', '.svg': 'image/svg+xml' };

/** Answers by path, as they are from the start: no path of a request is ever one of a file. */
const answers = new Map();
const folder = new URL('page/', import.meta.url);
for (const name of await readdir(folder)) {
  const type = `${types[extname(name)]}; charset=utf-8`;
  answers.set(name === 'index.html' ? '/' : `/${name}`, {
    type,
    body: await readFile(new URL(name, folder)),
  });
}
answers.set('/names', { type: 'application/json', body: JSON.stringify(names) });

const headers = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
};

class Refusal extends Error {
  constructor(status, message, headers = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
  }
}

const busy = (message) => new Refusal(503, message, { 'retry-after': '5' });

async function answer(request, response) {
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  const path = request.url.split('?', 1)[0];
  if (path === '/draw') {
    if (request.method !== 'POST') throw new Refusal(405, 'Runs are posted', { allow: 'POST' });
    await run(request, response);
    return;
  }
  const found = path === '/health' ? health() : answers.get(path);
  if (!found) throw new Refusal(404, 'Not found');
  if (request.method !== 'GET' && request.method !== 'HEAD')
    throw new Refusal(405, 'This is only read', { allow: 'GET, HEAD' });
  response.writeHead(200, { 'content-type': found.type, 'cache-control': 'no-cache' }).end(found.body);
}

function health() {
  return { type: 'application/json', body: JSON.stringify({ runs: runs.size }) };
}

/** Runs that are under way or wait, and whose they are. */
const runs = new Map();
const stopping = new AbortController();
let isStopping = false;

async function run(request, response) {
  const body = await bodyOf(request);
  const client = request.socket.remoteAddress;
  if (isStopping) throw busy('The server is about to stop');
  if (runs.size >= limits.runs) throw busy(`There are ${limits.runs} runs already; try again in a moment`);
  if ([...runs.values()].filter((other) => other === client).length >= limits.runsPerClient)
    throw new Refusal(429, `You have ${limits.runsPerClient} runs already`, { 'retry-after': '1' });
  const streaming = stream(client, body, response);
  runs.set(streaming, client);
  await streaming.finally(() => runs.delete(streaming));
}

async function bodyOf(request) {
  // A page of another site can post no JSON without being asked, and is then not allowed to.
  if (!/^application\/json\b/i.test(request.headers['content-type'] ?? ''))
    throw new Refusal(415, 'The content-type must be application/json');
  const parts = [];
  let bytes = 0;
  for await (const part of request.iterator({ destroyOnReturn: false })) {
    bytes += part.length;
    if (bytes > limits.body)
      throw new Refusal(413, `At most ${limits.body} bytes are read`, { connection: 'close' });
    parts.push(part);
  }
  try {
    return JSON.parse(Buffer.concat(parts).toString());
  } catch {
    throw new Refusal(400, 'The body is not JSON');
  }
}

/** Draws, and sends what comes. What is wrong before the first message becomes a status, afterwards a `failure`. */
async function stream(client, body, response) {
  // Who goes away, or closes the page, does not want the samples any more.
  const left = new AbortController();
  response.once('close', () => left.abort());
  const signal = AbortSignal.any([left.signal, stopping.signal, AbortSignal.timeout(patience.run)]);
  const pulse = setInterval(() => {
    if (response.headersSent && !response.writableNeedDrain) response.write('\n');
  }, patience.pulse);
  try {
    for await (const message of draw(body, { client, signal })) {
      if (!response.headersSent)
        response.writeHead(200, { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' });
      if (!response.write(`${JSON.stringify(message)}\n`)) await taken(response, 'drain', left.signal);
    }
    response.end();
    if (!response.writableFinished) await taken(response, 'finish', left.signal);
  } catch (error) {
    if (error.name !== 'TimeoutError') throw error;
    throw busy(`The run was stopped after ${patience.run / 1000} s; ask for fewer samples or steps`);
  } finally {
    clearInterval(pulse);
  }
}

/** Waits where the reader is slow, while the engine leaves frames out; who does not read at all is cut off. */
async function taken(response, event, left) {
  try {
    await once(response, event, { signal: AbortSignal.any([left, AbortSignal.timeout(patience.reader)]) });
  } catch (error) {
    response.destroy();
    throw error;
  }
}

function refuse(response, error) {
  if (response.destroyed) return;
  const { message } = error;
  if (!(error instanceof FastsdeError || error instanceof Refusal)) console.error(error);
  if (response.headersSent) {
    response.end(`${JSON.stringify({ type: 'failure', message })}\n`);
    return;
  }
  const isBusy = error instanceof QueueFullError || error instanceof EngineError;
  const status = error.status ?? (error instanceof OptionError ? 400 : isBusy ? 503 : 500);
  response.writeHead(status, { 'content-type': 'application/json', ...error.headers });
  response.end(JSON.stringify({ message: status === 500 ? 'The server failed' : message }));
}

const server = createServer(
  { headersTimeout: 10_000, requestTimeout: 20_000, connectionsCheckingInterval: 5000, maxHeaderSize: 8192 },
  (request, response) => {
    answer(request, response).catch((error) => refuse(response, error));
  },
);
server.maxConnections = limits.connections;
server.setTimeout(patience.idle);

const connections = new Map();
server.on('connection', (socket) => {
  const client = socket.remoteAddress;
  const own = (connections.get(client) ?? 0) + 1;
  connections.set(client, own);
  socket.once('close', () => {
    const others = connections.get(client) - 1;
    if (others > 0) connections.set(client, others);
    else connections.delete(client);
  });
  if (own > limits.connectionsPerClient) socket.destroy();
});

server.once('error', ({ message }) => {
  console.error(`${message}. Another port is given by PORT=8081, say.`);
  process.exitCode = 1;
});
server.listen(Number(process.env.PORT ?? 8080), process.env.HOST ?? 'localhost', () => {
  console.log(`http://localhost:${server.address().port}/`);
});

process.once('SIGTERM', async () => {
  isStopping = true;
  server.close();
  const over = setTimeout(() => {
    stopping.abort(busy('The server stops'));
    setTimeout(() => server.closeAllConnections(), 1000).unref();
  }, patience.stop);
  await Promise.allSettled(runs.keys());
  clearTimeout(over);
  await closeEngines();
  server.closeIdleConnections();
});
