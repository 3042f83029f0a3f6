import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { modelsPackage } from '../../src/embedded-file.js';
import { LoadError } from '../../src/errors.js';
import { packageRoot } from '../../src/package-root.js';

const folder = await realpath(await mkdtemp(join(tmpdir(), 'fastsde-models-')));
test.after.always(() => rm(folder, { recursive: true }));

/** A package in this folder of the temporary one, as npm would put it there. */
async function install(name: string, ...place: string[]): Promise<string> {
  const path = join(folder, ...place, 'node_modules', name);
  await mkdir(path, { recursive: true });
  await writeFile(join(path, 'package.json'), JSON.stringify({ name, version: '0.1.0' }));
  return path;
}

test('the second package is found beside the first one, inside it, and in the repository', async (t) => {
  const root = await install('fastsde', 'beside');
  t.throws(() => modelsPackage(root), { instanceOf: LoadError, message: /npm install @fastsde\/models/ });
  const models = await install('@fastsde/models', 'beside');
  t.is(modelsPackage(root), models);
  const other = await install('fastsde', 'inside');
  const inside = await install('@fastsde/models', 'inside', 'node_modules', 'fastsde');
  t.is(modelsPackage(other), inside);
  t.is(modelsPackage(packageRoot()), join(packageRoot(), 'packages', 'models'));
});

interface Packed {
  readonly name: string;
  readonly version: string;
  readonly files: readonly { readonly path: string; readonly size: number }[];
}

/** What npm would publish from a folder. */
async function packed(cwd: string): Promise<Packed> {
  const flags = ['pack', '--dry-run', '--ignore-scripts', '--json'];
  const { stdout } = await promisify(execFile)('npm', flags, { cwd, maxBuffer: 1 << 26 });
  return (JSON.parse(stdout) as [Packed])[0];
}

test('the first package holds at most 12 MB of networks, and the second one the others', async (t) => {
  const networks = ({ files }: Packed) => files.filter(({ path }) => path.endsWith('.onnx'));
  const first = await packed(packageRoot());
  t.false(first.files.some(({ path }) => path.startsWith('packages/')));
  t.true(networks(first).every(({ path }) => path.startsWith('models/mnist-')));
  t.true(networks(first).reduce((sum, { size }) => sum + size, 0) <= 12e6);

  const second = await packed(join(packageRoot(), 'packages', 'models'));
  t.is(second.name, '@fastsde/models');
  t.true(networks(second).every(({ path }) => /^cifar10-\w+\.onnx$/.test(path)));
  t.deepEqual(
    second.files.map(({ path }) => path).filter((path) => !path.endsWith('.onnx')),
    ['LICENSE', 'README.md', 'package.json'],
  );
  const { peerDependencies } = JSON.parse(await readFile('package.json', 'utf8')) as {
    peerDependencies: Record<string, string>;
  };
  t.is(peerDependencies['@fastsde/models'], `^${second.version}`);
});
