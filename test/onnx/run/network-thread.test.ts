import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import test from 'ava';

const api = new URL('../../../src/onnx/run/network-thread.js', import.meta.url).href;
const script = new URL('../../support/endless-network.js', import.meta.url).href;

/** A program that starts a thread, waits for what it says, then `delay` ms, and ends in the given way. */
function program(said: string, delay: number, end: string): string {
  return `
    import { networkThread } from '${api}';
    const thread = networkThread(new URL('${script}'), {});
    let waiting = true;
    thread.on('message', (message) => {
      if (message !== '${said}' || !waiting) return;
      waiting = false;
      setTimeout(() => { ${end} }, ${delay});
    });
    thread.on('error', (error) => console.log(error));`;
}

async function run(code: string): Promise<{ code: number; signal?: string; stdout: string; stderr: string }> {
  const command = promisify(execFile)(process.execPath, ['--input-type=module', '--eval', code]);
  return command.then(
    (output) => ({ code: 0, ...output }),
    (error: unknown) => error as { code: number; signal: string; stdout: string; stderr: string },
  );
}

test('a process that ends in the middle of network calls ends with its own code', async (t) => {
  // A call takes some 30 ms; the delays end the process at different places of it.
  for (const delay of [0, 7, 20]) {
    const { code, signal, stdout, stderr } = await run(program('running', delay, 'process.exit(7)'));
    t.deepEqual([code, signal ?? undefined, stdout, stderr], [7, undefined, '', ''], `after ${delay} ms`);
  }
});

test('a process that ends while a thread loads its network ends with its own code', async (t) => {
  for (const delay of [0, 60, 120]) {
    const { code, stderr } = await run(program('loading', delay, 'process.exit(7)'));
    t.deepEqual([code, stderr], [7, ''], `after ${delay} ms`);
  }
});

test('an error that nothing catches is told, in the middle of a network call too', async (t) => {
  const { code, stderr } = await run(program('running', 5, 'throw new Error("lost")'));
  t.is(code, 1);
  t.regex(stderr, /Error: lost/);
});
