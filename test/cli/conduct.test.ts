import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import test from 'ava';
import { encodeNpy } from '../../src/io/npy.js';
import { readModel, withMetadata, writeModel } from '../../src/onnx/file/model.js';
import { fastsdeIn, main } from '../support/command-line.js';
import { fixture } from '../support/gaussian-image.js';

const folder = await mkdtemp(join(tmpdir(), 'fastsde-conduct-'));
const fastsde = fastsdeIn(folder);
test.after.always(() => rm(folder, { recursive: true }));
test.before(async () => {
  const mixture = { weights: [1], means: [[0, 0]], covariances: [[[1, 0], [0, 1]]] }; // prettier-ignore
  await writeFile(join(folder, 'mixture.json'), JSON.stringify(mixture));
  const data = Float32Array.from({ length: 20_000 }, (_, i) => Math.sin(i));
  await writeFile(join(folder, 'points.npy'), encodeNpy({ data, shape: [10_000, 2] }));
});

const mixture = ['--mixture', 'mixture.json'];

/** Exit code and signal of a command that gets a signal as soon as it runs. */
async function interrupted(args: readonly string[], signal: NodeJS.Signals): Promise<unknown[]> {
  const child = spawn(process.execPath, [main, ...args], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ended = once(child, 'exit');
  await once(child.stderr, 'data');
  child.kill(signal);
  return ended;
}

test('a signal ends a command with 128 and its number, or as a signal does', async (t) => {
  const long = [...mixture, '--count', '64', '--steps', '1000000', '--output', 'x.npy'];
  t.deepEqual(await interrupted(['sample', ...long], 'SIGINT'), [130, null]);
  t.deepEqual(await interrupted(['sample', ...long], 'SIGTERM'), [143, null]);
  // A command that cannot stop between two steps is left to the system. This one waits for its output's reader.
  execFileSync('mkfifo', [join(folder, 'fifo')]);
  const script = `exec ${process.execPath} ${main} inspect ${fixture('vp-eps')} > fifo`;
  const child = spawn('sh', ['-c', script], { cwd: folder });
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  t.deepEqual(await ended, [null, 'SIGTERM']);
});

test('a reader that closes the pipe ends no command, and files are written all the same', async (t) => {
  const closed = (args: readonly string[]) =>
    new Promise<{ code: unknown; stderr: string }>((resolve) => {
      const child = execFile(process.execPath, [main, ...args], { cwd: folder }, (error, _, stderr) => {
        resolve({ code: error?.code ?? 0, stderr });
      });
      child.stdout!.destroy();
    });
  const likelihood = ['likelihood', ...mixture, '--data', 'points.npy', '--count', '300', '--quiet'];
  t.deepEqual(await closed(likelihood), { code: 0, stderr: '' });
  t.deepEqual(await closed([...likelihood, '--json', '--output', 'results.csv']), { code: 0, stderr: '' });
  t.is((await readFile(join(folder, 'results.csv'), 'utf8')).trim().split('\n').length, 301);
});

test('a file may be given by its URL, but one of this machine', async (t) => {
  const url = pathToFileURL(join(folder, 'mixture.json')).href;
  const output = pathToFileURL(join(folder, 'by url.npy')).href;
  const { code, stderr } = await fastsde(['sample', '--mixture', url, '--steps', '2', '--output', output]);
  t.is(code, 0, stderr);
  t.true((await readFile(join(folder, 'by url.npy'))).length > 0);
  for (const flag of ['--mixture', '--output']) {
    const refused = await fastsde(['sample', ...mixture, flag, 'https://example.org/x.npy']);
    t.is(refused.code, 1);
    t.regex(
      refused.stderr,
      new RegExp(`${flag} .*nothing is downloaded\\. First: curl -L -O https://example.org/x\\.npy`),
    );
  }
});

test('wherever a command takes a file, it takes its URL', async (t) => {
  const url = (name: string) => pathToFileURL(join(folder, name)).href;
  const twoRows = { data: Float32Array.of(1, 0, 0, 1), shape: [2, 2] };
  await writeFile(join(folder, 'matrix.npy'), encodeNpy(twoRows));
  await writeFile(join(folder, 'few.npy'), encodeNpy(twoRows));
  await writeFile(join(folder, 'run.json'), '{"data": "two-moons", "steps": 0}');
  const data = ['--mixture', url('mixture.json'), '--data', url('few.npy')];
  const lines: readonly (readonly [args: readonly string[], said: RegExp])[] = [
    [['likelihood', ...data, '--output', url('a.csv'), '--output', url('a.npz')], /a\.csv/],
    [['restore', ...data, '--operator', url('matrix.npy'), '--noise', '1', '--steps', '2', '--output', url('r.npy')], /r\.npy/], // prettier-ignore
    [['sample', '--mixture', 'mixture.json', '--steps', '2', '--output', url('run/')], /run/],
    [['merge', url('run'), '--output', url('merged.npy')], /merged\.npy/],
    [['grad', pathToFileURL(fixture('vp-eps')).href, '--output', url('vjp.onnx')], /vjp\.onnx/],
    // Errors of what is read say that it was.
    [['train', '--config', url('run.json')], /^error: [^:]*run\.json: steps/],
    [['average', url('bare/')], /^error: Cannot read [^:]*bare/],
    [['inpaint', '--data', 'mnist', '--mask', 'https://example.org/m.png'], /--mask .*nothing is downloaded/],
    [['sample', '--input', 'text=https://example.org/x.npy'], /--input .*nothing is downloaded/],
    [['sample', '--input', `text=${url('absent.npy')}`], /^error: Cannot read [^:]*absent\.npy/],
  ];
  for (const [args, said] of lines) {
    const { code, stdout, stderr } = await fastsde(args);
    t.regex(stderr + stdout, said, args.join(' '));
    t.is(code, /^error/.test(stderr) ? 1 : 0, stderr);
  }
  for (const name of ['a.csv', 'a.npz', 'r.npy', 'merged.npy', 'vjp.onnx'])
    t.true((await readFile(join(folder, name))).length > 0, name);
});

test('what a terminal would obey is shown as escapes', async (t) => {
  const model = await readModel(fixture('vp-eps'));
  await writeModel(
    withMetadata(model, { note: 'a\x1b]0;title\x07\x9b31m\rb\nfake: line' }),
    join(folder, 'm.onnx'),
  );
  const { stdout } = await fastsde(['inspect', 'm.onnx']);
  t.notRegex(stdout, /[\0-\x09\x0b-\x1f\x7f-\x9f]/);
  t.true(stdout.includes('note = a\\u001b]0;title\\u0007\\u009b31m\\u000db\\nfake: line\n'));
  const json = await fastsde(['inspect', 'm.onnx', '--json']);
  t.is(
    (JSON.parse(json.stdout) as { metadata: { note: string } }).metadata.note,
    'a\x1b]0;title\x07\x9b31m\rb\nfake: line',
  );
  const { code, stderr } = await fastsde(['inspect', 'absent\x1b[31m.onnx']);
  t.is(code, 1);
  t.true(stderr.includes('absent\\u001b[31m.onnx'));
});

test('without sharp, a picture is refused before the run', async (t) => {
  const hook = `export function resolve(specifier, context, next) { if (specifier === 'sharp') throw new Error('no sharp'); return next(specifier, context); }`;
  const register = `import { register } from 'node:module'; register(${JSON.stringify(`data:text/javascript,${encodeURIComponent(hook)}`)});`;
  const loader = `data:text/javascript,${encodeURIComponent(register)}`;
  const args = ['--import', loader, main, 'sample', ...mixture, '--steps', '100000000', '--output', 'x.png'];
  const failure = await new Promise<{ code?: unknown; stderr: string }>((resolve) => {
    execFile(process.execPath, args, { cwd: folder }, (error, _, stderr) => {
      resolve({ code: error?.code, stderr });
    });
  });
  t.is(failure.code, 1);
  t.regex(failure.stderr, /^error: Pictures need the package sharp, .*write arrays \(\.npy, \.npz\)/m);
});

test('--quiet keeps the warning about pictures that are left out', async (t) => {
  await mkdir(join(folder, 'pictures'));
  const digits = await readFile(join(import.meta.dirname, '..', '..', '..', 'docs', 'images', 'digits.png'));
  await writeFile(join(folder, 'pictures', '0.png'), digits);
  await writeFile(join(folder, 'pictures', '1.png'), 'no picture');
  const args = [
    'encode',
    fixture('vp-eps'),
    '--data',
    'pictures',
    '--resize',
    '--skip-corrupted',
    '--rtol',
    '0.1',
    '--atol',
    '0.1',
  ];
  const told = await fastsde(args);
  t.regex(told.stderr, /^warning: pictures: 1 picture that cannot be read left out\.$/m);
  t.is((await fastsde([...args, '--quiet'])).stderr, '');
});

test('what does not fit into memory or into its file is refused before the run', async (t) => {
  const refused = async (...args: string[]) => {
    const { code, stderr } = await fastsde(['sample', ...args, '--steps', '1000000']);
    t.is(code, 1);
    return stderr;
  };
  const images = [fixture('vp-eps'), '--quiet'];
  t.regex(
    await refused(...mixture, '--count', '1000000000000', '--output', 'x.npy'),
    /^error: --count must be at most \d+ in the memory/,
  );
  t.regex(
    await refused(...mixture, '--count', '1000000000000', '--output', 'many/'),
    /^error: --count must be at most 1000000 x batch/,
  );
  t.regex(
    await refused(...mixture, '--count', '600000000', '--output', 'x.npz'),
    /^error: --output must be a \.npy file or a folder/,
  );
  t.regex(
    await refused(...images, '--count', '3000000', '--output', 'x.png'),
    /^error: --output must be a \.npy file or a folder/,
  );
  t.regex(
    await refused(...images, '--count', '60000', '--output', 'x.webp'),
    /^error: --output must be a \.npy file or a folder/,
  );
});
