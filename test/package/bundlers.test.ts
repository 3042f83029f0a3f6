import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { build } from 'esbuild';

const root = join(import.meta.dirname, '..', '..', '..');
const entry = join(import.meta.dirname, '..', '..', 'src', 'index.js');
const folder = await mkdtemp(join(tmpdir(), 'fastsde-bundle-'));
test.after.always(() => rm(folder, { recursive: true }));

const program = `
  import { embeddedModel, loadModel, nativeInfo, sample } from ${JSON.stringify(entry)};
  const { isa } = nativeInfo();
  loadModel(embeddedModel(), { threads: 1, probe: false })
    .then((model) => sample(model, { count: 1, steps: 2 }).then(({ shape }) => (console.log(typeof isa, shape.join()), model.close())))
    .catch((error) => console.log(error.name, error.message));`;

/** Bundles the library into a file of a folder, beside which the package is installed or not, and runs that. */
async function run(
  name: string,
  isInstalled: boolean,
  define: Readonly<Record<string, string>> = {},
): Promise<string> {
  const project = join(folder, name);
  await mkdir(join(project, 'node_modules'), { recursive: true });
  for (const dependency of ['sharp', 'onnxruntime-node', 'ml-matrix', 'tar'])
    await symlink(join(root, 'node_modules', dependency), join(project, 'node_modules', dependency));
  if (isInstalled) await symlink(root, join(project, 'node_modules', 'fastsde'));
  await writeFile(join(project, 'program.js'), program);
  const outfile = join(project, 'bundle.mjs');
  const external = ['sharp', 'onnxruntime-node', 'ml-matrix', 'tar', '@huggingface/tokenizers'];
  const { metafile } = await build({
    ...{ entryPoints: [join(project, 'program.js')], outfile, bundle: true, platform: 'node', external },
    ...{ format: 'esm', logLevel: 'silent', metafile: true, define },
  });
  // All of the library is in the bundle.
  if (!Object.keys(metafile.inputs).some((file) => file.endsWith('src/package-root.js')))
    throw new Error('the library is not in the bundle');
  return (await promisify(execFile)(process.execPath, [outfile], { cwd: project })).stdout;
}

test('a bundle finds the addon and the models of the package that is installed beside it', async (t) => {
  t.is(await run('installed', true), 'string 1,1,28,28\n');
});

test('a bundler that knows no import.meta.dirname is no hindrance', async (t) => {
  t.is(await run('undirected', true, { 'import.meta.dirname': 'undefined' }), 'string 1,1,28,28\n');
});

test('a bundle without the package beside it says what to do', async (t) => {
  const refused = await t.throwsAsync(run('alone', false));
  t.regex(
    refused.message,
    /Keep it out of the bundle \(esbuild: --external:fastsde; Next\.js: serverExternalPackages/,
  );
});

test('the recipe of the documentation leaves the package out', async (t) => {
  const documented = await readFile(join(root, 'docs', 'installation.md'), 'utf8');
  t.regex(
    documented,
    /esbuild server\.ts --bundle --platform=node --format=esm --external:fastsde --outfile=server\.mjs/,
  );
});
