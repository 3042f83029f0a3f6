import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { loadModel } from '../../src/score/network/load.js';
import { embeddedModel } from '../../src/score/network/embedded.js';
import { GaussianMixture } from '../../src/score/mixture/mixture.js';
import { mixtureModel } from '../../src/score/mixture/model.js';
import { sample } from '../../src/sampling/sample.js';
import { vp } from '../../src/sde/vp.js';
import { playgroundOn, startPlayground } from '../support/example.js';

const mixture = { weights: [0.7, 0.3], means: [[-1, 0], [2, 1]], spreads: [0.5, 0.2] }; // prettier-ignore
const points = { model: 'mixture', sde: 'vp', mixture, solver: 'heun', count: 3, seed: 7, steps: 6 };
const digits = { model: 'digits', sde: 'vp', solver: 'ddim', count: 2, seed: 3, steps: 8 };
/** Takes minutes. */
const long = { ...digits, count: 64, steps: 500 };

interface Message {
  readonly type: string;
  readonly step: number;
  readonly alpha: number;
  readonly sigma: number;
  readonly runs: number;
  readonly message: string;
  readonly data: string;
}

async function playground(t: ExecutionContext): Promise<Awaited<ReturnType<typeof startPlayground>>> {
  const started = await startPlayground();
  t.teardown(async () => {
    started.example.process.kill('SIGTERM');
    const { code, stderr } = await started.example.ended;
    if (code !== 0 || stderr !== '')
      throw new Error(`The server ended with ${code ?? 'a signal'}: ${stderr}`);
  });
  return started;
}

function post(url: string, body: unknown, given: RequestInit = {}): Promise<Response> {
  return fetch(`${url}draw`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
    ...given,
  });
}

async function drawn(url: string, body: unknown): Promise<Message[]> {
  const response = await post(url, body);
  const text = await response.text();
  if (response.status !== 200) throw new Error(text);
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Message);
}

function bytesOf({ data }: Message): Uint8Array {
  return Uint8Array.from(Buffer.from(data, 'base64'));
}

const floatsOf = (message: Message) => new Float32Array(bytesOf(message).buffer);

test('the server gives the page with what it loads, and no other file', async (t) => {
  const { url } = await playground(t);
  const page = await fetch(url);
  t.like(Object.fromEntries(page.headers), {
    'content-type': 'text/html; charset=utf-8',
    'x-content-type-options': 'nosniff',
  });
  const policy = page.headers.get('content-security-policy')!;
  t.regex(policy, /^default-src 'none'; script-src 'self';/);
  t.notRegex(policy, /unsafe/);
  const loaded = [...(await page.text()).matchAll(/(?:src|href)="([^"]+)"/g)].map(([, name]) => name!);
  t.deepEqual(loaded.sort(), ['icon.svg', 'main.js', 'style.css']);
  for (const name of loaded) t.is((await fetch(url + name)).status, 200);

  const { port } = new URL(url);
  const escapes = [
    '/../server.js',
    '/%2e%2e/server.js',
    '/page/../../draw.js',
    '/..%2fserver.js',
    '/server.js',
  ];
  for (const target of ['//', '//etc/passwd', '/\\', '/__proto__', 'http://[', ...escapes]) {
    const [response] = (await once(get({ port, path: target }), 'response')) as [IncomingMessage];
    response.resume();
    t.is(response.statusCode, 404, target);
  }
  t.is((await fetch(url, { method: 'POST' })).status, 405);
  t.is((await fetch(`${url}draw`)).headers.get('allow'), 'POST');
  t.deepEqual(await (await fetch(`${url}health`)).json(), { runs: 0 });
});

test('a port that is taken is told in a line', async (t) => {
  const { url } = await playground(t);
  const { code, stderr } = await playgroundOn(new URL(url).port).ended;
  t.is(code, 1);
  t.regex(stderr, /^listen EADDRINUSE: .*Another port is given by PORT=8081, say\.\n$/);
});

test('points are those of the library, with the level of every frame', async (t) => {
  const { url } = await playground(t);
  const messages = await drawn(url, points);
  t.deepEqual(
    messages.map(({ type, step }) => (type === 'frame' ? step : type)),
    [0, 1, 2, 3, 4, 5, 'result'],
  );
  const { weights, means } = mixture;
  const law = new GaussianMixture({ weights, means, covariances: [0.25, 0.04] });
  const options = { solver: 'heun', count: 3, seed: 7, steps: 6, trajectory: 1 } as const;
  const { samples, trajectory } = await sample(mixtureModel(law, vp()), options);
  t.deepEqual(floatsOf(messages.at(-1)!), samples);
  t.is(messages.at(-1)!.runs, 13);
  for (const [i, frame] of trajectory!.frames.entries()) {
    t.deepEqual(floatsOf(messages[i]!), frame);
    // VP: alpha^2 + sigma^2 = 1, and beta is linear from 0.1 to 20.
    const at = trajectory!.times[i]!;
    const alpha = Math.exp(-(at ** 2 * 19.9) / 4 - (at * 0.1) / 2);
    t.true(Math.abs(messages[i]!.alpha - alpha) < 1e-12);
    t.true(Math.abs(messages[i]!.sigma - Math.sqrt(1 - alpha ** 2)) < 1e-12);
  }
});

test('digits come as they are made, of a class, and where a part is known', async (t) => {
  const { url } = await playground(t);
  const messages = await drawn(url, digits);
  const model = await loadModel(embeddedModel('vp'), { threads: 1 });
  const { samples } = await sample(model, { solver: 'ddim', count: 2, seed: 3, steps: 8 });
  await model.close();
  const grey = Uint8Array.from(Uint8ClampedArray.from(samples, (x) => 255 * ((x + 1) / 2)));
  t.deepEqual(bytesOf(messages.at(-1)!), grey);
  t.true(messages.length > 2);

  const classes = { ...digits, model: 'classes', sde: undefined, guidance: 2, class: 4 };
  t.is((await drawn(url, classes)).at(-1)!.runs, 18);

  const pixels = grey.slice(0, 784);
  const mask = '1'.repeat(392) + '0'.repeat(392);
  const known = { pixels: Buffer.from(pixels).toString('base64'), mask };
  const completed = await drawn(url, { model: 'digits', count: 2, seed: 0, steps: 20, show: 'x0', known });
  t.true(completed.length > 2 && completed.slice(0, -1).every(({ type }) => type === 'frame'));
  const restored = bytesOf(completed.at(-1)!);
  for (let i = 0; i < 2 * 784; i++)
    if (i % 784 < 392) t.true(Math.abs(restored[i]! - pixels[i % 784]!) <= 1, String(i));
});

test('what cannot be drawn is refused by name', async (t) => {
  const { url } = await playground(t);
  const refused: [body: unknown, status: number, message: RegExp][] = [
    ['{', 400, /not JSON/],
    ['null', 400, /^model must be one of/],
    ['x'.repeat(20_000), 413, /At most 16384 bytes/],
    [{ ...points, count: 501 }, 400, /^count must be a number from 1 to 500/],
    [{ ...points, count: '3' }, 400, /^count must be an integer/],
    [{ ...digits, count: 65 }, 400, /^count must be/],
    [{ ...points, steps: 0 }, 400, /^steps must be/],
    [{ ...points, solver: 'constructor' }, 400, /^solver must be one of/],
    [{ ...points, solver: 'rk45' }, 400, /^steps must be left out/],
    [{ ...points, corrector: 'langevin', snr: -1 }, 400, /snr must be/],
    [{ ...points, grid: '<b>' }, 400, /^grid must be/],
    [{ ...points, sde: '__proto__' }, 400, /^sde must be one of/],
    [{ ...points, known: {} }, 400, /^known must be left out/],
    [{ ...points, mixture: { ...mixture, weights: [0.7, 0.7] } }, 400, /weights must be/],
    [{ ...points, mixture: { ...mixture, means: [[1], [2]] } }, 400, /^mixture.means\[0\] must be/],
    [{ ...points, mixture: { ...mixture, spreads: [0, 1] } }, 400, /^mixture.spreads\[0\] must be/],
    [{ ...digits, sde: '../../secret' }, 400, /^sde must be one of vp, ve/],
    [{ model: 'digits', count: 1, seed: 0, known: { pixels: '', mask: '1' } }, 400, /^known.mask must be/],
    [{ ...digits, model: 'classes', sde: undefined, class: 10 }, 400, /^class must be/],
  ];
  for (const [body, status, message] of refused) {
    const response = await post(url, body);
    t.is(response.status, status, JSON.stringify(body));
    t.regex(((await response.json()) as Message).message, message);
  }
  t.is((await post(url, points, { headers: { 'content-type': 'text/plain' } })).status, 415);
  t.deepEqual(await (await fetch(`${url}health`)).json(), { runs: 0 });
});

test('no body makes the server fail', async (t) => {
  t.plan(200);
  const { url } = await playground(t);
  const values = fc.oneof(fc.jsonValue(), fc.constantFrom('__proto__', -1, 1e300, 0.5, '', null));
  const broken = fc.tuple(fc.constantFrom(...Object.keys(points)), values);
  const parts = fc.tuple(fc.constantFrom(...Object.keys(mixture)), values);
  const bodies = fc.oneof(
    broken.map(([name, value]) => ({ ...points, [name]: value })),
    parts.map(([name, value]) => ({ ...points, mixture: { ...mixture, [name]: value } })),
    fc.jsonValue(),
  );
  await fc.assert(
    fc.asyncProperty(bodies, async (body) => {
      const response = await post(url, body);
      await response.text();
      t.true(response.status === 200 || response.status === 400, JSON.stringify(body));
    }),
    { seed: 1, numRuns: 200 },
  );
});

test('a client has four runs at once, and those that it leaves end', async (t) => {
  const { url } = await playground(t);
  const runs = async () => ((await (await fetch(`${url}health`)).json()) as { runs: number }).runs;
  const left = new AbortController();
  const under = Array.from({ length: 4 }, () =>
    t.throwsAsync(
      post(url, long, { signal: left.signal }).then((response) => response.text()),
      { any: true },
    ),
  );
  while ((await runs()) < 4) await sleep(20);
  const refused = await post(url, points);
  t.deepEqual([refused.status, refused.headers.get('retry-after')], [429, '1']);
  left.abort();
  await Promise.all(under);
  while ((await runs()) > 0) await sleep(20);
  t.is((await drawn(url, points)).at(-1)!.type, 'result');
});

test('a client has 64 connections, and more are closed', async (t) => {
  const { url } = await playground(t);
  const port = Number(new URL(url).port);
  const sockets = Array.from({ length: 80 }, () => connect(port, 'localhost').on('error', () => undefined));
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
  });
  const closed = () => sockets.filter((socket) => socket.closed).length;
  while (closed() < 16) await sleep(20);
  t.is(closed(), 16);
  sockets[79]!.destroy();
  for (const socket of sockets.slice(0, 40)) socket.destroy();
  while (!(await fetch(`${url}health`).catch(() => undefined))) await sleep(20);
});

test('the server answers what it has accepted when it is told to stop', async (t) => {
  const { example, url } = await startPlayground();
  const requests = Array.from({ length: 3 }, () => post(url, { ...digits, steps: 60 }));
  t.is((await Promise.race(requests)).status, 200);
  example.process.kill('SIGTERM');
  for (const request of requests) {
    const messages = (await (await request).text()).trim().split('\n');
    t.is((JSON.parse(messages.at(-1)!) as Message).type, 'result');
  }
  t.deepEqual(await example.ended, { code: 0, signal: null, stderr: '' });
});
