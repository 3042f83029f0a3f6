import { execFile } from 'node:child_process';
import {
  access,
  constants,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';

const root = join(import.meta.dirname, '..', '..', '..');
const folder = await mkdtemp(join(tmpdir(), 'fastsde-pack-'));
test.after.always(() => rm(folder, { recursive: true }));

/** Nothing of the run of these tests, and ONNX Runtime without its download of CUDA libraries. */
const environment: NodeJS.ProcessEnv = {
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('npm_'))),
  ONNXRUNTIME_NODE_INSTALL: 'skip',
};

async function run(cwd: string, command: string, ...args: string[]): Promise<string> {
  const options = { cwd, env: environment, maxBuffer: 1 << 26 };
  return (await promisify(execFile)(command, args, options)).stdout;
}

async function find(command: string): Promise<string> {
  for (const place of process.env['PATH']!.split(delimiter)) {
    const file = join(place, command);
    if (await executable(file)) return file;
  }
  throw new Error(`${command} is not on PATH`);
}

function executable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}

/** From now on, PATH holds Node, npm and a shell, and no compiler. */
async function leaveNodeAlone(): Promise<void> {
  const bin = join(folder, 'bin');
  await mkdir(bin);
  await symlink(process.execPath, join(bin, 'node'));
  for (const command of ['npm', 'npx', 'sh']) await symlink(await find(command), join(bin, command));
  environment['PATH'] = bin;
}

async function emptyProject(name: string): Promise<string> {
  const project = join(folder, name);
  await mkdir(project);
  await writeFile(join(project, 'package.json'), '{ "name": "project", "private": true }\n');
  return project;
}

const quiet = ['--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error'];

test.serial('the package installs where Node is all there is, and draws digits', async (t) => {
  t.timeout(300_000);
  // Without the script before it, which would write dist/ anew under the tests that run at the same time.
  await run(root, process.execPath, join('scripts', 'prebuild.mjs'));
  await run(root, 'npm', 'pack', '--ignore-scripts', '--pack-destination', folder);
  const tarball = (await readdir(folder)).find((file) => file.endsWith('.tgz'))!;
  await leaveNodeAlone();

  const project = await emptyProject('installed');
  await run(project, 'npm', 'install', join(folder, tarball), ...quiet);
  const installed = await readdir(join(project, 'node_modules', 'fastsde'));
  // With a binding.gyp, npm would run node-gyp on every "npm ci".
  t.false(installed.includes('binding.gyp'));
  t.false(installed.includes('build'), 'nothing is compiled');

  const flags = ['--count', '2', '--steps', '2', '--threads', '1', '--json', '--quiet'];
  const { counts } = JSON.parse(await run(project, 'npx', 'fastsde', 'sample', ...flags)) as {
    counts: object;
  };
  t.like(counts, { score: 2, denoise: 1 });
  await access(join(project, 'samples.png'));

  // An error of one entry point is of the class that another one exports.
  const program =
    'loadData("absent.npy").catch((error) => console.log(error instanceof DataError, typeof train, typeof vjp, nativeInfo().supported[0]))';
  const names = { fastsde: 'DataError, nativeInfo', 'fastsde/data': 'loadData', 'fastsde/training': 'train', 'fastsde/onnx': 'vjp' }; // prettier-ignore
  const lines = (line: (names: string, entry: string) => string) =>
    [...Object.entries(names).map(([entry, list]) => line(list, entry)), program].join('; ');
  const imported = lines((list, entry) => `import { ${list} } from '${entry}'`);
  const required = lines((list, entry) => `const { ${list} } = require('${entry}')`);
  const expected = /^true function function (baseline|neon)\n$/;
  t.regex(await run(project, 'node', '--input-type=module', '--eval', imported), expected);
  t.regex(await run(project, 'node', '--input-type=commonjs', '--eval', required), expected);

  // A project with neither the types of Node nor those of the web, in which every declaration is checked.
  const typed = lines((list, entry) => `import { ${list} } from '${entry}'`).replace(program, 'export const width: number = train.length + vjp.length; void [DataError, nativeInfo, loadData]'); // prettier-ignore
  const closing = "import { loadModel, openEngines } from 'fastsde'; await using model = await loadModel('x'); await using engines = await openEngines('x'); void [model, engines]"; // prettier-ignore
  await writeFile(join(project, 'program.mts'), `${typed};\n${closing};\n`);
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const strict = { strict: true, exactOptionalPropertyTypes: true, skipLibCheck: false };
  const platform = { module: 'nodenext', target: 'es2023', lib: ['es2023'], types: [], noEmit: true };
  await writeFile(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions: { ...strict, ...platform }, files: ['program.mts'] })); // prettier-ignore
  await run(project, 'node', compiler, '-p', '.');
});

test.serial(
  'npm ci installs it from a lockfile; without ONNX Runtime and sharp, the rest works',
  async (t) => {
    t.timeout(300_000);
    const project = await emptyProject('from-lockfile');
    for (const file of ['package.json', 'package-lock.json'])
      await copyFile(join(folder, 'installed', file), join(project, file));
    await run(project, 'npm', 'ci', '--omit=optional', ...quiet);

    await writeFile(join(project, 'mixture.json'), '{"weights":[1],"means":[[0]],"covariances":[[[1]]]}');
    const flags = ['--mixture', 'mixture.json', '--steps', '2', '--output', 'samples.npy', '--quiet'];
    await run(project, 'npx', 'fastsde', 'sample', ...flags);
    await access(join(project, 'samples.npy'));
    const refused = await t.throwsAsync(run(project, 'npx', 'fastsde', 'sample'));
    t.regex(refused.message, /cannot be loaded\..*npm install onnxruntime-node/);
  },
);
