import { access, cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { decodeNpy } from '../../src/io/npy.js';
import { fastsdeIn, main, start } from '../support/command-line.js';

const folder = await mkdtemp(join(tmpdir(), 'fastsde-shards-'));
const fastsde = fastsdeIn(folder);
const covariance = [
  [0.1, 0.02],
  [0.02, 0.1],
];
await writeFile(
  join(folder, 'mixture.json'),
  JSON.stringify({ weights: [1], means: [[1, -1]], covariances: [covariance] }),
);
test.after.always(() => rm(folder, { recursive: true }));

const mixture = ['sample', '--mixture', 'mixture.json', '--seed', '5'];
const run = [...mixture, '--count', '42', '--batch', '8', '--steps', '200'];

/** Names and contents. */
async function contents(name: string): Promise<Record<string, string>> {
  const names = (await readdir(join(folder, name))).sort();
  const files = await Promise.all(names.map((file) => readFile(join(folder, name, file), 'base64')));
  return Object.fromEntries(names.map((file, i) => [file, files[i]!]));
}

async function shardsIn(name: string): Promise<string[]> {
  return (await readdir(join(folder, name)).catch(() => [])).filter((file) => file.endsWith('.npy'));
}

test.before(async (t) => {
  t.is((await fastsde([...run, '--output', 'whole/'])).code, 0);
  t.is((await fastsde([...run, '--output', 'whole.npy'])).code, 0);
});

test('a run that is killed again and again ends with the files of one that was not', async (t) => {
  let kills = 0;
  for (let done = 0; done < 6; done = (await shardsIn('killed')).length) {
    const more = async (): Promise<boolean> => (await shardsIn('killed')).length > done;
    const { code } = await fastsde([...run, '--output', 'killed/'], { signal: 'SIGKILL', when: more });
    if (code === null) kills++;
    // What a process that dies while it writes leaves behind: half a file, not under its name; or one that no manifest knows.
    await writeFile(join(folder, 'killed', '.samples-000040-000041.npy.0123abcd.tmp'), 'half');
    if (kills === 1) await writeFile(join(folder, 'killed', 'samples-000040-000041.npy'), 'half');
  }
  t.true(kills > 0);
  const { code, stderr } = await fastsde([...run, '--output', 'killed/']);
  t.is(code, 0, stderr);
  t.deepEqual(await contents('killed'), await contents('whole'));
});

test('parts of a job array, drawn at the same time, make the same files, and merge to the same array', async (t) => {
  const parts = ['0/3', '1/3', '2/3'];
  const outcomes = await Promise.all(
    parts.map((part) => fastsde([...run, '--output', 'array/', '--shard', part])),
  );
  t.deepEqual(
    outcomes.map(({ code }) => code),
    [0, 0, 0],
  );
  t.deepEqual(await shardsIn('array'), await shardsIn('whole'));
  for (const name of ['array', 'whole']) {
    t.is((await fastsde(['merge', name, '--output', `${name}-merged.npy`])).code, 0);
    t.deepEqual(
      await readFile(join(folder, `${name}-merged.npy`)),
      await readFile(join(folder, 'whole.npy')),
    );
  }
});

test('processes at one folder share the batches, each drawn once, and end together', async (t) => {
  const outcomes = await Promise.all([1, 2, 3].map(() => fastsde([...run, '--output', 'shared/'])));
  const drawn = outcomes.map(({ code, stderr }) => {
    t.is(code, 0, stderr);
    const others = [...stderr.matchAll(/(\d+) samples? were (?:there already|done by other processes)/g)];
    return 42 - others.reduce((sum, [, count]) => sum + Number(count), 0);
  });
  t.is(
    drawn.reduce((a, b) => a + b),
    42,
    String(drawn),
  );
  t.deepEqual(await contents('shared'), await contents('whole'));
});

test('what a process that is killed had taken is drawn by another that runs', async (t) => {
  const taken = async (): Promise<boolean> =>
    (await readdir(join(folder, 'bereft')).catch(() => [])).some((name) => /^samples.*\.lock$/.test(name));
  const slow = [...mixture, '--count', '12', '--batch', '3', '--steps', '3000', '--output'];
  const killed = fastsde([...slow, 'bereft/'], { signal: 'SIGKILL', when: taken });
  const { code, stderr } = await fastsde([...slow, 'bereft/']);
  t.is((await killed).code, null);
  t.is(code, 0, stderr);
  await fastsde([...slow, 'alone/']);
  t.deepEqual(await contents('bereft'), await contents('alone'));
});

test('parts in folders of their own merge, and a part that is missing is named', async (t) => {
  for (const part of [0, 1]) await fastsde([...run, '--output', `part-${part}/`, '--shard', `${part}/2`]);
  t.is((await fastsde(['merge', 'part-0', 'part-1'])).code, 0);
  const { code, stderr } = await fastsde(['merge', 'part-1', '--output', 'never.npy']);
  t.is(code, 1);
  t.regex(stderr, /Of the samples 0 to 41, those from 0 to 23 are missing/);
  await t.throwsAsync(access(join(folder, 'never.npy')));
});

test('a network run goes on with the same bits, and pictures come with it', async (t) => {
  const digits = ['sample', '--count', '5', '--batch', '2', '--steps', '2', '--threads', '1', '--first', '3'];
  await fastsde([...digits, '--output', 'digits/']);
  const pictures = [3, 4, 5, 6, 7].map((index) => `00000${index}.png`);
  const shards = ['samples-000003-000004.npy', 'samples-000005-000006.npy', 'samples-000007-000007.npy'];
  t.deepEqual((await readdir(join(folder, 'digits'))).sort(), [...pictures, 'manifest.json', ...shards]);
  await cp(join(folder, 'digits'), join(folder, 'again'), { recursive: true });
  for (const lost of [shards[1]!, '000006.png']) await rm(join(folder, 'again', lost));
  const { code, stderr } = await fastsde([...digits, '--output', 'again/']);
  t.is(code, 0);
  t.regex(stderr, /3 samples were there already/);
  t.deepEqual(await contents('again'), await contents('digits'));
  const { data, shape } = decodeNpy(await readFile(join(folder, 'again', shards[1]!)));
  t.deepEqual(shape, [2, 1, 28, 28]);
  t.true(data.some((value) => value !== 0));
});

test('a folder of another run is refused, with what differs', async (t) => {
  const other = await fastsde([...run, '--steps', '100', '--output', 'whole/']);
  t.is(other.code, 1);
  t.regex(other.stderr, /manifest\.json is of another run: options\.steps is 200 there and 100 here/);
  const trained = await fastsde(['train', '--data', 'swiss-roll', '--steps', '1', '--output', 'whole/']);
  t.is(trained.code, 1);
  t.regex(trained.stderr, /manifest\.json is the record of samples or likelihoods\. Choose another folder\./);
  await fastsde([...run, '--seed', '6', '--output', 'seed-6/', '--shard', '0/6']);
  const merged = await fastsde(['merge', 'whole', 'seed-6']);
  t.regex(merged.stderr, /seed-6 is of another run than whole: options\.seed is 5 .* and 6/);
});

test('merging finds a changed byte', async (t) => {
  await cp(join(folder, 'whole'), join(folder, 'damaged'), { recursive: true });
  const path = join(folder, 'damaged', 'samples-000008-000015.npy');
  const bytes = await readFile(path);
  bytes[150]! ^= 1;
  await writeFile(path, bytes);
  const { code, stderr } = await fastsde(['merge', 'damaged', '--output', 'damaged.npy']);
  t.is(code, 1);
  t.regex(stderr, /samples-000008-000015\.npy is damaged: its SHA-256/);
  await t.throwsAsync(access(join(folder, 'damaged.npy')));
});

test('where a file cannot be written, the error says why, and what was complete stays', async (t) => {
  // A limit on the size of files fails in the middle of one, as a full disk does: here in that of 12 blocks of 512 bytes.
  const large = [...mixture, '--count', '1100', '--batch', '550', '--steps', '5', '--output', 'full/'];
  await fastsde([...large, '--shard', '0/2']);
  // The manifest of a part is begun before its first batch.
  const before = { ...(await contents('full')), 'manifest-1-of-2.json': undefined };
  const limited = ['-c', 'ulimit -f 8; exec "$@"', 'sh', process.execPath, main, ...large, '--shard', '1/2'];
  const { code, stderr } = await start(folder, 'sh', limited);
  t.is(code, 1, stderr);
  t.regex(
    stderr,
    /Cannot write full\/samples-000550-001099\.npy: .*\. Batches that are complete stay in full\//,
  );
  t.deepEqual({ ...(await contents('full')), 'manifest-1-of-2.json': undefined }, before);

  const nowhere = await fastsde([...run, '--output', 'mixture.json/samples/']);
  t.is(nowhere.code, 1);
  t.regex(nowhere.stderr, /Cannot write mixture\.json\/samples\/: a part of its path is not a folder/);
});

test('Ctrl-C says that the run can go on', async (t) => {
  const some = async (): Promise<boolean> => (await shardsIn('stopped')).length > 0;
  const slow = [...run, '--steps', '3000', '--output', 'stopped/'];
  const { code, stderr } = await fastsde(slow, { signal: 'SIGINT', when: some });
  t.regex(
    stderr,
    /Interrupted\. Batches that are complete stay in stopped\/; the same command goes on from there/,
  );
  t.is(code, 130);
});

test('--shard asks for a part that exists, and for a folder', async (t) => {
  t.regex(
    (await fastsde([...run, '--output', 'a/', '--shard', '2/2'])).stderr,
    /Expected i\/n with i from 0 to n - 1/,
  );
  t.regex(
    (await fastsde([...run, '--shard', '0/2'])).stderr,
    /--shard must be left out unless --output is a folder/,
  );
});
