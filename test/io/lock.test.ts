import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { OutputError } from '../../src/errors.js';
import { lockFolder } from '../../src/io/lock.js';

async function temporaryFolder(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'fastsde-lock-'));
  t.teardown(() => rm(folder, { recursive: true }));
  return folder;
}

const module = JSON.stringify(new URL('../../src/io/lock.js', import.meta.url).href);

/** A process that takes the folder, says so, and then does this. */
function holder(folder: string, then: string) {
  const script = `
    import { lockFolder } from ${module};
    await lockFolder(${JSON.stringify(folder)}, { option: 'folder' });
    console.log('taken');
    ${then}`;
  return spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
}

const waits = 'setInterval(() => undefined, 1000);';

test('a folder in use by another process is refused, which is named; when that was killed it is free', async (t) => {
  const folder = await temporaryFolder(t);
  const other = holder(folder, waits);
  await once(other.stdout, 'data');
  const error = await t.throwsAsync(lockFolder(folder, { option: 'folder' }), { instanceOf: OutputError });
  t.true(error.message.includes(`${folder} is in use by process ${other.pid}.`), error.message);
  t.is((await readdir(folder)).length, 1, 'the refused process leaves nothing');
  const ended = once(other, 'exit');
  other.kill('SIGKILL');
  await ended;
  const lock = await lockFolder(folder, { option: 'folder' });
  t.is((await readdir(folder)).length, 1, 'the file of the killed process is removed');
  await lock.release();
  t.deepEqual(await readdir(folder), []);
});

for (const [end, script] of [
  ['process.exit', 'process.exit(3);'],
  ['an uncaught error', 'throw new Error();'],
  ['its last line', ''],
] as const) {
  test(`a process that ends by ${end} leaves the folder free`, async (t) => {
    const folder = await temporaryFolder(t);
    const other = holder(folder, script);
    await once(other, 'exit');
    t.deepEqual(await readdir(folder), []);
  });
}

test('a process cannot take a folder twice, and again once it is released', async (t) => {
  const folder = await temporaryFolder(t);
  const lock = await lockFolder(folder, { option: 'folder' });
  await t.throwsAsync(lockFolder(folder, { option: 'folder' }), {
    instanceOf: OutputError,
    message: /in use by this process/,
  });
  await lock.release();
  await (await lockFolder(folder, { option: 'folder' })).release();
  t.deepEqual(await readdir(folder), []);
});

test('parts of the work in a folder are taken apart from each other', async (t) => {
  const folder = await temporaryFolder(t);
  const locks = [
    await lockFolder(folder, { option: 'folder', part: 'part-0-of-10' }),
    await lockFolder(folder, { option: 'folder', part: 'part-0-of-1' }),
  ];
  await t.throwsAsync(lockFolder(folder, { option: 'folder', part: 'part-0-of-1' }), { message: /in use/ });
  for (const lock of locks) await lock.release();
  t.deepEqual(await readdir(folder), []);
});

test('a process of another host has a folder for as long as it touches its file', async (t) => {
  const folder = await temporaryFolder(t);
  const name = 'process-12-345-elsewhere.lock';
  await writeFile(join(folder, name), '');
  const error = await t.throwsAsync(lockFolder(folder, { option: 'folder' }), { instanceOf: OutputError });
  t.true(error.message.includes('process 12 of the host elsewhere'), error.message);
  t.true(error.message.endsWith(`remove ${join(folder, name)}.`), error.message);
  t.deepEqual(await readdir(folder), [name]);

  const past = new Date(Date.now() - 120_000);
  await utimes(join(folder, name), past, past);
  await (await lockFolder(folder, { option: 'folder' })).release();
  t.deepEqual(await readdir(folder), []);
});

test('a number that another process has by now is no reason to refuse', async (t) => {
  const folder = await temporaryFolder(t);
  // This process's parent runs, and started at another time; only Linux tells when.
  const stale = `process-${process.ppid}-1-${encodeURIComponent(hostname())}.lock`;
  await writeFile(join(folder, stale), '');
  if (process.platform === 'linux') await (await lockFolder(folder, { option: 'folder' })).release();
  else
    await t.throwsAsync(lockFolder(folder, { option: 'folder' }), {
      message: new RegExp(`process ${process.ppid}\\.`),
    });
  t.is((await readdir(folder)).includes(stale), process.platform !== 'linux');
});
