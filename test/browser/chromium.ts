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
  /** Presses keys one after the other, by their names: `Tab`, `ArrowLeft`, `Enter`, ` `, or a character. */
  press(...keys: readonly string[]): Promise<void>;
  /** Presses the mouse at a place, moves it to others, and lets go. */
  drag(
    from: readonly [x: number, y: number],
    ...to: readonly (readonly [x: number, y: number])[]
  ): Promise<void>;
  /** The page as another device shows it, or with other wishes of its reader. */
  emulate(device: Emulated): Promise<void>;
  /** What was written to the console as an error or warning, with what was refused to be loaded. */
  readonly complaints: readonly string[];
  /** A picture of what is shown, as a PNG file. */
  screenshot(): Promise<Uint8Array>;
  close(): Promise<void>;
}

export interface Emulated {
  /** In CSS pixels. Default: as the page was opened. */
  readonly width?: number;
  readonly height?: number;
  readonly scheme?: 'light' | 'dark';
  readonly reducedMotion?: boolean;
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
  const complaints: string[] = [];
  const call = connect(child.stdio[3] as Writable, child.stdio[4] as Readable, (method, params) => {
    const { type = '', args = [], entry } = params as Complaint;
    if (method === 'Log.entryAdded') complaints.push(entry!.text);
    else if (method === 'Runtime.exceptionThrown') complaints.push(JSON.stringify(params));
    else if (method === 'Runtime.consoleAPICalled' && ['error', 'warning'].includes(type))
      complaints.push(args.map(({ value, description }) => value ?? description).join(' '));
  });

  const { targetInfos } = (await call('Target.getTargets')) as {
    targetInfos: { targetId: string; type: string }[];
  };
  const { targetId } = targetInfos.find(({ type }) => type === 'page')!;
  const { sessionId } = (await call('Target.attachToTarget', { targetId, flatten: true })) as {
    sessionId: string;
  };
  await call('Runtime.enable', {}, sessionId);
  await call('Log.enable', {}, sessionId);
  const page: Page = {
    complaints,
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
    async press(...keys) {
      for (const key of keys) {
        const text = key === 'Enter' ? '\r' : key.length === 1 ? key : undefined;
        const code = codes[key] ?? key.toUpperCase().charCodeAt(0);
        const event = { key, windowsVirtualKeyCode: code, ...(text && { text }) };
        await call('Input.dispatchKeyEvent', { type: text ? 'keyDown' : 'rawKeyDown', ...event }, sessionId);
        await call('Input.dispatchKeyEvent', { type: 'keyUp', ...event }, sessionId);
      }
    },
    async drag([x, y], ...others) {
      const send = (type: string, [x, y]: readonly [number, number], buttons: number) =>
        call('Input.dispatchMouseEvent', { type, x, y, button: 'left', buttons, clickCount: 1 }, sessionId);
      await send('mousePressed', [x, y], 1);
      for (const place of others) await send('mouseMoved', place, 1);
      await send('mouseReleased', others.at(-1) ?? [x, y], 0);
    },
    async emulate({ width: w = width, height: h = height, scheme = 'light', reducedMotion = false }) {
      const device = { width: w, height: h, deviceScaleFactor: 1, mobile: false };
      await call('Emulation.setDeviceMetricsOverride', device, sessionId);
      const features = [
        { name: 'prefers-color-scheme', value: scheme },
        { name: 'prefers-reduced-motion', value: reducedMotion ? 'reduce' : 'no-preference' },
      ];
      await call('Emulation.setEmulatedMedia', { features }, sessionId);
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

const codes: Readonly<Record<string, number>> = {
  ...{ Tab: 9, Enter: 13, Escape: 27, End: 35, Home: 36 },
  ...{ ArrowLeft: 37, ArrowUp: 38, ArrowRight: 39, ArrowDown: 40 },
};

interface Complaint {
  readonly type?: string;
  readonly args?: readonly { readonly value?: string; readonly description?: string }[];
  readonly entry?: { readonly text: string };
}

interface Evaluated {
  readonly result: { readonly value?: unknown };
  readonly exceptionDetails?: { readonly exception?: { readonly description?: string } };
}

interface Reply {
  readonly id?: number;
  readonly method?: string;
  readonly params?: object;
  readonly result?: object;
  readonly error?: { readonly message: string };
}

/** Calls of the protocol: JSON messages, each with a zero byte at its end. */
function connect(
  input: Writable,
  output: Readable,
  onEvent: (method: string, params: object) => void,
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
      else onEvent(reply.method!, reply.params!);
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
