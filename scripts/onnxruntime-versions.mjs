// Runs the tests of sessions with other versions of ONNX Runtime: those that onnxruntime-node brings along, from the npm
// registry, by default the oldest in range, the one that transformers.js pins, and the newest. Needs `npm ci`.
//
//   node scripts/onnxruntime-versions.mjs [version ...]

import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const versions = process.argv.length > 2 ? process.argv.slice(2) : ['1.17.0', '1.24.3', 'latest'];

function run(command, args, options) {
  const { status, error } = spawnSync(command, args, { stdio: 'inherit', ...options });
  if (error) throw error;
  if (status !== 0) {
    console.error(`${command} ${args.join(' ')}\nfailed with exit status ${status}.`);
    process.exit(1);
  }
}

/** A root of the package of its own, with everything but onnxruntime-node from the repository. */
function stage(version) {
  const folder = path.join(root, 'build', 'onnxruntime', version);
  rmSync(folder, { recursive: true, force: true });
  const modules = path.join(folder, 'node_modules');
  mkdirSync(path.join(folder, 'installed'), { recursive: true });
  mkdirSync(path.join(folder, 'build'));
  mkdirSync(modules);
  writeFileSync(path.join(folder, 'installed', 'package.json'), '{ "private": true }');
  const env = { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' };
  run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', `onnxruntime-node@${version}`], {
    cwd: path.join(folder, 'installed'),
    env,
  });
  const installed = path.join(folder, 'installed', 'node_modules');
  for (const name of readdirSync(path.join(root, 'node_modules'))) {
    const own = name.startsWith('onnxruntime-')
      ? path.join(installed, name)
      : path.join(root, 'node_modules', name);
    symlinkSync(own, path.join(modules, name));
  }
  copyFileSync(path.join(root, 'package.json'), path.join(folder, 'package.json'));
  symlinkSync(path.join(root, 'build', 'Release'), path.join(folder, 'build', 'Release'));
  for (const shared of ['native', 'scripts', 'test', 'models']) {
    symlinkSync(path.join(root, shared), path.join(folder, shared));
  }
  const compiled = path.join(folder, '.test-build');
  const info = path.join(compiled, 'tsconfig.tsbuildinfo');
  run('npx', ['tsc', '-p', root, '--outDir', compiled, '--tsBuildInfoFile', info], { cwd: root });
  return folder;
}

// Before this one, onnxruntime-node tells too little of a network for its own sessions to be of use here.
const oldestOfNode = 20;
const withoutNode = ['!*(node)', '!*onnxruntime-node*', '!*every session*'].map(
  (pattern) => `--match=${pattern}`,
);

for (const version of versions) {
  const folder = stage(version);
  const old = Number(/^1\.(\d+)/.exec(version)?.[1] ?? Infinity) < oldestOfNode;
  console.log(`\nonnxruntime-node ${version}`);
  const ava = path.join(root, 'node_modules', 'ava', 'entrypoints', 'cli.mjs');
  const tests = old ? ['sessions', ...withoutNode] : ['{sessions,library}'];
  tests[0] = `.test-build/test/onnx/run/${tests[0]}.test.js`;
  run(process.execPath, [ava, '--serial', ...tests], { cwd: folder });
}
