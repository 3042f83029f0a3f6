import { createRequire } from 'node:module';
import path from 'node:path';

import { LoadError, OptionError } from '../errors.js';
import { packageRoot } from '../package-root.js';
import type { Addon, Limits, NativeInfo, QueueNumber } from './addon-interface.js';

let loaded: Addon | undefined;
let bounds: Limits | undefined;

/** The addon, loaded on first use. */
export function addon(): Addon {
  loaded ??= configure(load(addonPaths(), createRequire(import.meta.url)));
  return loaded;
}

/** @internal */
export function limits(): Limits {
  bounds ??= addon().limits();
  return bounds;
}

/** The instruction set and the number of threads of the native kernels. */
export function nativeInfo(): NativeInfo {
  return addon().info();
}

/** Sets the number of threads that large operations of this process may use, the calling one included. Never changes a result. */
export function setThreads(count: number): void {
  addon().setThreads(threadCount('threads', count, limits()));
}

/**
 * @internal From now on the kernels of a thread use no other, as where every core has such a one.
 * @param queue whose thread; that of the caller by default
 */
export function stayOnThisThread(queue?: QueueNumber): void {
  addon().stayOnThisThread(queue);
}

/** Where the addon may be: compiled in place, then prebuilt. */
function addonPaths(): string[] {
  const root = packageRoot();
  return [
    path.join(root, 'build', 'Release', 'fastsde.node'),
    path.join(root, 'prebuilds', `${process.platform}-${process.arch}`, 'fastsde.node'),
  ];
}

/** @internal Loads the first addon that loads; otherwise the error names every path with its own reason. */
export function load(paths: readonly string[], require: (file: string) => unknown): Addon {
  const failures: string[] = [];
  for (const file of paths) {
    try {
      return require(file) as Addon;
    } catch (error) {
      const reason = error instanceof Error ? error.message.split('\n')[0]! : String(error);
      failures.push(`  ${file}: ${reason}`);
    }
  }
  throw new LoadError(
    `The native addon of fastsde cannot be loaded:\n${failures.join('\n')}\n` +
      'Compile it with "npm run build:native" in a clone, or "npm explore fastsde -- npm run build:native" where it is installed ' +
      '(needs a C++20 compiler, and CMake or npm).',
  );
}

/** Applies the environment variables, once per process: worker threads share the addon and what was set since. */
function configure(native: Addon): Addon {
  // Nothing may be under way when the libraries are taken down. A thread that is terminated says nothing here; the addon notices.
  process.once('exit', () => {
    native.stopSessions();
  });
  const isa = process.env['FASTSDE_ISA'] ?? '';
  const { supported } = native.info();
  if (isa !== '' && !supported.includes(isa)) {
    const names = supported.join(', ');
    throw new OptionError('FASTSDE_ISA', isa, `an instruction set that this CPU and build have (${names})`);
  }
  const variable = process.env['FASTSDE_THREADS'] ?? '';
  const threads = /^\d+$/.test(variable) ? Number(variable) : variable;
  if (threads !== '') threadCount('FASTSDE_THREADS', threads, native.limits());
  if (native.isFirst('load')) {
    if (isa !== '') native.selectIsa(isa);
    if (typeof threads === 'number') native.setThreads(threads);
  }
  return native;
}

function threadCount(option: string, value: unknown, { threads }: Limits): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= threads) return value;
  throw new OptionError(option, value, `an integer from 1 to ${threads}`);
}
