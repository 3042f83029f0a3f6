// Compiles the native addon to build/Release/fastsde.node: with CMake where it is installed, else with npm's node-gyp.
// Works offline. Does nothing when the addon is newer than its sources.
//
//   node scripts/build-native.mjs [--force] [--cmake | --gyp] [--cuda]

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const addon = path.join(root, 'build', 'Release', 'fastsde.node');
const require = createRequire(import.meta.url);
const { values: options } = parseArgs({
  options: Object.fromEntries(['force', 'cmake', 'gyp', 'cuda'].map((name) => [name, { type: 'boolean' }])),
});

function succeeds(command, args) {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (error) throw error;
  if (status !== 0) {
    console.error(`${[command, ...args].join(' ')} failed with exit status ${status}.`);
    process.exit(1);
  }
}

function newestSource() {
  const files = readdirSync(path.join(root, 'native'), { recursive: true }).map((file) =>
    path.join('native', file),
  );
  return Math.max(...[...files, 'CMakeLists.txt'].map((file) => statSync(path.join(root, file)).mtimeMs));
}

function buildWithCMake() {
  const cuda = options.cuda ? 'ON' : 'OFF';
  let cmakeJs;
  try {
    cmakeJs = path.join(path.dirname(require.resolve('cmake-js/package.json')), 'bin', 'cmake-js');
  } catch {
    // An installed package has no development dependencies; plain CMake does the same.
    run('cmake', ['-S', '.', '-B', 'build', '-DCMAKE_BUILD_TYPE=Release', `-DFASTSDE_CUDA=${cuda}`]);
    run('cmake', ['--build', 'build', '--config', 'Release', '--parallel', '2']);
    return;
  }
  run(process.execPath, [
    cmakeJs,
    'build',
    '--parallel',
    '2',
    `--CDFASTSDE_CUDA=${cuda}`,
    '--log-level',
    'warn',
  ]);
}

function npmNodeGyp() {
  const prefix = path.dirname(path.dirname(process.execPath));
  const npm = process.env.npm_execpath && path.dirname(path.dirname(process.env.npm_execpath));
  return [npm, path.join(prefix, 'lib', 'node_modules', 'npm'), path.join(prefix, 'node_modules', 'npm')]
    .filter(Boolean)
    .map((folder) => path.join(folder, 'node_modules', 'node-gyp', 'bin', 'node-gyp.js'))
    .find((file) => existsSync(file));
}

function buildWithGyp(nodeGyp) {
  const gypFile = path.join(root, 'binding.gyp');
  const temporary = !existsSync(gypFile); // the published package comes without one
  if (temporary) writeFileSync(gypFile, '{ "includes": ["native/fastsde.gypi"] }\n');
  try {
    // Every Node distribution has its headers beside the binary, so nothing is downloaded.
    const nodedir = path.dirname(path.dirname(process.execPath));
    run(process.execPath, [nodeGyp, 'rebuild', '--release', '--jobs', '2', `--nodedir=${nodedir}`]);
  } finally {
    if (temporary) rmSync(gypFile);
  }
}

if (!options.force && !options.cuda && existsSync(addon) && statSync(addon).mtimeMs >= newestSource()) {
  console.log('build/Release/fastsde.node is up to date.');
  process.exit(0);
}

const compiler = [process.env.CXX, 'c++', 'g++', 'clang++'].find(
  (name) => name && succeeds(name, ['--version']),
);
const nodeGyp = options.cmake ? undefined : npmNodeGyp();
if (compiler && !options.gyp && succeeds('cmake', ['--version'])) {
  buildWithCMake();
  utimesSync(addon, new Date(), new Date()); // it may have been up to date but for its time
} else if (compiler && nodeGyp) {
  buildWithGyp(nodeGyp);
} else if (existsSync(path.join(root, 'prebuilds', `${process.platform}-${process.arch}`))) {
  console.warn('No C++ compiler with CMake or node-gyp was found; the prebuilt addon will be used.');
} else {
  console.error(
    `The native addon of fastsde cannot be compiled: ${compiler ? 'neither CMake nor node-gyp' : 'no C++ compiler'} was found, ` +
      `and there is no prebuilt addon for ${process.platform}-${process.arch}.\n` +
      'Install a C++20 compiler (g++ 12 or clang 14, or newer) and CMake 3.20 or newer, for example\n' +
      '  Debian, Ubuntu: apt install g++ make cmake\n' +
      '  Fedora:         dnf install gcc-c++ make cmake\n' +
      '  macOS:          xcode-select --install && brew install cmake\n' +
      'and run: npm run build:native',
  );
  process.exit(1);
}
