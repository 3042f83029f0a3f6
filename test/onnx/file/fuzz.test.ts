import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import test from 'ava';

const root = join(import.meta.dirname, '..', '..', '..', '..');
const child = join(import.meta.dirname, '..', '..', 'support', 'onnx-fuzz-child.js');

/** More: FASTSDE_FUZZ_RUNS=20000 npx ava --timeout=1h .test-build/test/onnx-fuzz.test.js */
const factor = Number(process.env['FASTSDE_FUZZ_RUNS'] ?? 1500) / 1500;

const folder = mkdtempSync(join(tmpdir(), 'fastsde-fuzz-'));
test.after.always(() => {
  rmSync(folder, { recursive: true });
});
for (const place of ['models', 'onnx']) {
  // A network of 50 layers says no more than the small ones.
  const filter = (file: string) => !/unet|\.json$/.test(file);
  cpSync(join(root, 'test', 'fixtures', place), folder, { recursive: true, filter });
}

interface Outcome {
  readonly index: number;
  /** "ok", the name of an error of fastsde, "untyped" and a stack, or how the process ended. */
  readonly result: string;
}

const silence = 60_000;

/** What became of each damaged model; a reader that crashes or hangs is started again behind the model that did it. */
async function outcomes(reader: string, count: number): Promise<{ all: Outcome[]; memory: number }> {
  const all: Outcome[] = [];
  let memory = 0;
  while (all.length < count) {
    const args = ['--max-old-space-size=512', child, reader, folder, String(all.length)];
    const run = spawn(process.execPath, [...args, String(count - all.length)], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const ended = once(run, 'close') as Promise<[number | null, string | null]>;
    let timer = setTimeout(() => run.kill('SIGKILL'), silence);
    const before = all.length;
    for await (const line of createInterface(run.stdout)) {
      clearTimeout(timer);
      timer = setTimeout(() => run.kill('SIGKILL'), silence);
      const [, index, result] = /^(\w+) ?(.*)$/.exec(line)!;
      if (index === 'memory') memory = Math.max(memory, Number(result));
      else if (result !== '') all.push({ index: Number(index), result: result! });
    }
    clearTimeout(timer);
    const [code, signal] = await ended;
    if (code === 0) break;
    all.push({ index: all.length, result: `the process ended with ${signal ?? String(code)}` });
    if (all.length === before) throw new Error('the reader of damaged models does not start');
  }
  return { all, memory };
}

const typed = /^(ok|\w+Error)$/;

test.serial('our own reader answers every damaged model with a typed error, in little memory', async (t) => {
  const { all, memory } = await outcomes('read', Math.round(800 * factor));
  t.deepEqual(
    all.filter(({ result }) => !typed.test(result)),
    [],
  );
  // Were nothing accepted, or nothing refused, nothing would have been tested.
  t.true(all.some(({ result }) => result === 'ok') && all.some(({ result }) => result === 'ModelError'));
  t.true(memory < 400e6, `${Math.round(memory / 1e6)} MB`);
});

for (const [reader, count] of Object.entries({ load: 120, vjp: 60, train: 60 })) {
  test.serial(`${reader}: what ONNX Runtime survives is a typed error`, async (t) => {
    t.timeout(300_000);
    const { all } = await outcomes(reader, Math.round(count * factor));
    const crashes = all.filter(({ result }) => result.startsWith('the process ended'));
    // ONNX Runtime is C++ that parses what it is given: a crash of its own is told, not ours to forbid.
    for (const { index, result } of crashes) t.log(`model ${index}: ${result}`);
    t.deepEqual(
      all.filter(({ result }) => result.startsWith('untyped')),
      [],
    );
    t.true(crashes.length < all.length / 10);
  });
}
