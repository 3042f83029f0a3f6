import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

/** A page in headless Chromium, driven by the Chrome DevTools Protocol. */
export interface Page {
  goto(url: string): Promise<void>;
  /** The value of an expression in the page. */
  evaluate<T>(expression: string): Promise<T>;
  /** Settles when an expression is true in the page. */
  until(expression: string): Promise<void>;
  /** A picture of what is shown, as a PNG file. */
  screenshot(): Promise<Uint8Array>;
  close(): Promise<void>;
}

const command = process.env['CHROMIUM'] ?? 'chromium';

const flags = [
  ...['--headless', '--remote-debugging-pipe', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-quic'],
  // Chromium's own sandbox refuses root.
  ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
];

/** Opens a page of `width` by `height` pixels. Throws where there is no Chromium (CHROMIUM may name it). */
export async function openPage(width: number, height: number): Promise<Page> {
  const profile = await mkdtemp(join(tmpdir(), 'fastsde-chromium-'));
  const child = spawn(
    command,
    [...flags, `--user-data-dir=${profile}`, `--window-size=${width},${height}`, 'about:blank'],
    { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] },
  );
  await once(child, 'spawn').catch(async (cause: unknown) => {
    await rm(profile, { recursive: true });
    throw new Error(`${command} cannot be started; install Chromium, or name it by CHROMIUM.`, { cause });
  });
  const call = connect(child.stdio[3] as Writable, child.stdio[4] as Readable);

  const { targetInfos } = (await call('Target.getTargets')) as {
    targetInfos: { targetId: string; type: string }[];
  };
  const { targetId } = targetInfos.find(({ type }) => type === 'page')!;
  const { sessionId } = (await call('Target.attachToTarget', { targetId, flatten: true })) as {
    sessionId: string;
  };
  const page: Page = {
    async goto(url) {
      await call('Page.navigate', { url }, sessionId);
      await page.until(
        `document.readyState === 'complete' && location.href.startsWith(${JSON.stringify(url)})`,
      );
    },
    async evaluate<T>(expression: string) {
      const options = { expression, returnByValue: true, awaitPromise: true };
      const { result, exceptionDetails } = (await call('Runtime.evaluate', options, sessionId)) as Evaluated;
      if (exceptionDetails) throw new Error(`In the page: ${exceptionDetails.exception?.description ?? ''}`);
      return result.value as T;
    },
    async until(expression) {
      while (!(await page.evaluate<boolean>(expression).catch(() => false))) await sleep(20);
    },
    async screenshot() {
      const { data } = (await call('Page.captureScreenshot', { format: 'png' }, sessionId)) as {
        data: string;
      };
      return Buffer.from(data, 'base64');
    },
    async close() {
      await call('Browser.close');
      await once(child, 'close');
      await rm(profile, { recursive: true, force: true });
    },
  };
  return page;
}

interface Evaluated {
  readonly result: { readonly value?: unknown };
  readonly exceptionDetails?: { readonly exception?: { readonly description?: string } };
}

interface Reply {
  readonly id?: number;
  readonly result?: object;
  readonly error?: { readonly message: string };
}

/** Calls of the protocol: JSON messages, each with a zero byte at its end. */
function connect(
  input: Writable,
  output: Readable,
): (method: string, params?: object, sessionId?: string) => Promise<object> {
  const waiting = new Map<number, (reply: Reply) => void>();
  let id = 0;
  let text = '';
  output.setEncoding('utf8').on('data', (part: string) => {
    const messages = (text + part).split('\0');
    text = messages.pop()!;
    for (const message of messages) {
      const reply = JSON.parse(message) as Reply;
      if (reply.id !== undefined) waiting.get(reply.id)?.(reply);
    }
  });
  return async (method, params = {}, sessionId) => {
    const own = ++id;
    input.write(`${JSON.stringify({ id: own, method, params, sessionId })}\0`);
    const { result, error } = await new Promise<Reply>((resolve) => waiting.set(own, resolve));
    waiting.delete(own);
    if (error) throw new Error(`${method}: ${error.message}`);
    return result!;
  };
}
