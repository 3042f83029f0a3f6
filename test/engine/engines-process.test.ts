import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import test from 'ava';

const api = new URL('../../src/index.js', import.meta.url).href;

interface Ended {
  readonly code: number | null;
  readonly signal?: string;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program that has opened `engines` with the embedded model. */
async function program(body: string): Promise<Ended> {
  const code = `
    import { embeddedModel, openEngines } from '${api}';
    const engines = await openEngines(embeddedModel(), { threads: 2, engines: 2 });
    ${body}`;
  const command = promisify(execFile)(process.execPath, ['--input-type=module', '--eval', code], {
    timeout: 60_000,
  });
  return command.then(
    (output) => ({ code: 0, ...output }),
    (error: unknown) => error as Ended,
  );
}

test('idle engines do not keep the process alive', async (t) => {
  const { code, stdout, stderr } = await program(`
    const { shape } = await engines.sample({ count: 1, steps: 2 });
    console.log(shape.join());`);
  t.deepEqual([code, stdout, stderr], [0, '1,1,28,28\n', '']);
});

test('a request keeps the process alive until it is answered', async (t) => {
  const { code, stdout } = await program(`
    engines.sample({ count: 1, steps: 20 }).then(({ counts }) => console.log(counts.score));`);
  t.deepEqual([code, stdout], [0, '20\n']);
});

test('close ends a program cleanly', async (t) => {
  const { code, stdout, stderr } = await program(`
    await engines.sample({ count: 1, steps: 2 });
    await engines.close();
    console.log('closed');`);
  t.deepEqual([code, stdout, stderr], [0, 'closed\n', '']);
});

test('a process that ends in the middle of requests has its own exit code', async (t) => {
  for (const delay of [0, 50, 110]) {
    const { code, signal, stderr } = await program(`
      for (const seed of [0, 1, 2]) void engines.sample({ count: 64, seed });
      setTimeout(() => process.exit(7), ${delay});`);
    t.deepEqual([code, signal ?? undefined, stderr], [7, undefined, ''], `after ${delay} ms`);
  }
});

test('an error that nothing catches ends the process, in the middle of a request too', async (t) => {
  const { code, stderr } = await program(`
    void engines.sample({ count: 64 });
    setTimeout(() => { throw new Error('lost'); }, 100);`);
  t.is(code, 1);
  t.regex(stderr, /Error: lost/);
});
