import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const source = new URL('./fastsde-as-source.js', import.meta.url).href;

/** A program under examples/ that runs. */
export interface Example {
  readonly process: ChildProcess;
  /** What it wrote to stdout so far. */
  readonly lines: readonly string[];
  /** Settles with the first line of its output that fits. */
  line(pattern: RegExp): Promise<string>;
  /** Settles with exit code, signal and what was written to stderr. */
  readonly ended: Promise<{ code: number | null; signal: string | null; stderr: string }>;
}

/** Starts the compiled examples/<name>.ts with this process's library in place of the package. */
export function startExample(name: string, args: readonly string[] = []): Example {
  return start(`../../examples/${name}.js`, args, {});
}

function start(path: string, args: readonly string[], env: NodeJS.ProcessEnv): Example {
  const file = fileURLToPath(new URL(path, import.meta.url));
  const child = spawn(process.execPath, ['--import', source, file, ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stderr = '';
  child.stderr.on('data', (text) => (stderr += String(text)));
  const lines: string[] = [];
  const output = createInterface(child.stdout).on('line', (text) => lines.push(text));
  const ended = once(child, 'close').then(([code, signal]) => ({
    code: code as number | null,
    signal: signal as string | null,
    stderr,
  }));
  return {
    process: child,
    lines,
    ended,
    async line(pattern) {
      for (;;) {
        const found = lines.find((text) => pattern.test(text));
        if (found !== undefined) return found;
        const over = await Promise.race([once(output, 'line'), ended.then(() => 'over')]);
        if (over === 'over' && !lines.some((text) => pattern.test(text)))
          throw new Error(`The example ended without ${pattern.source}: ${stderr}`);
      }
    },
  };
}

/** Starts the playground on this port, 0 for a free one. */
export function playgroundOn(port: string): Example {
  return start('../../../examples/playground/server.js', [], { PORT: port });
}

/** Starts the playground on a free port; settles with its address once it listens. */
export async function startPlayground(): Promise<{ example: Example; url: string }> {
  const example = playgroundOn('0');
  return { example, url: await example.line(/^http:/) };
}
