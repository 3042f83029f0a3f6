// Compiles the native addon to build/Release/fastsde.node: with CMake where it is installed, else with npm's node-gyp.
// Works offline. Does nothing when the addon is newer than its sources.
//
//   node scripts/build-native.mjs [--force] [--cmake | --gyp] [--cuda | --prebuilt]
//
// --cuda adds kernels for GPUs, which needs nvcc; --prebuilt, for a package, does so where there is nvcc.

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const build = path.join(root, 'build');
const addon = path.join(build, 'Release', 'fastsde.node');
/** Compilers at a time: as many as the smallest machines have cores, since an install should not take over a machine. */
const jobs = '2';
const require = createRequire(import.meta.url);
const { values: options } = parseArgs({
  options: Object.fromEntries(
    ['force', 'cmake', 'gyp', 'cuda', 'prebuilt'].map((name) => [name, { type: 'boolean' }]),
  ),
});

function succeeds(command, args) {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

/** Where CMakeLists.txt looks for them. */
const compilers = ['nvcc', '/usr/local/cuda/bin/nvcc'];
const withCuda =
  options.cuda ||
  (options.prebuilt &&
    process.platform === 'linux' &&
    compilers.some((command) => succeeds(command, ['--version'])));

function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (error) throw error;
  if (status !== 0) {
    console.error(`${[command, ...args].join(' ')} failed with exit status ${status}.`);
    process.exit(1);
  }
}

/** A build folder that came from another checkout, as in a copied one, would compile the sources of that one. */
function discardForeignBuild() {
  const cache = path.join(build, 'CMakeCache.txt');
  if (!existsSync(cache)) return;
  const home = /^CMAKE_HOME_DIRECTORY:INTERNAL=(.*)$/m.exec(readFileSync(cache, 'utf8'))?.[1];
  if (home !== undefined && path.resolve(home) === root) return;
  console.log(`build/ belongs to ${home ?? 'no known checkout'}; it is discarded.`);
  rmSync(build, { recursive: true });
}

function newestSource() {
  const files = readdirSync(path.join(root, 'native'), { recursive: true }).map((file) =>
    path.join('native', file),
  );
  return Math.max(...[...files, 'CMakeLists.txt'].map((file) => statSync(path.join(root, file)).mtimeMs));
}

function buildWithCMake() {
  const cuda = withCuda ? 'ON' : 'OFF';
  let cmakeJs;
  try {
    cmakeJs = path.join(path.dirname(require.resolve('cmake-js/package.json')), 'bin', 'cmake-js');
  } catch {
    // An installed package has no development dependencies; plain CMake does the same.
    run('cmake', ['-S', '.', '-B', 'build', '-DCMAKE_BUILD_TYPE=Release', `-DFASTSDE_CUDA=${cuda}`]);
    run('cmake', ['--build', 'build', '--config', 'Release', '--parallel', jobs]);
    return;
  }
  const args = ['--parallel', jobs, `--CDFASTSDE_CUDA=${cuda}`, '--log-level', 'warn'];
  // A folder that is configured already would keep its kind of build.
  for (const command of ['configure', 'build']) run(process.execPath, [cmakeJs, command, ...args]);
}

function npmNodeGyp() {
  const prefix = path.dirname(path.dirname(process.execPath));
  const npm = process.env.npm_execpath && path.dirname(path.dirname(process.env.npm_execpath));
  return [npm, path.join(prefix, 'lib', 'node_modules', 'npm'), path.join(prefix, 'node_modules', 'npm')]
    .filter(Boolean)
    .map((folder) => path.join(folder, 'node_modules', 'node-gyp', 'bin', 'node-gyp.js'))
    .find((file) => existsSync(file));
}

/** What node-gyp compiles, CPU only: sources, definitions and flags from the list that CMake reads too. */
function gypTargets() {
  const sources = JSON.parse(readFileSync(path.join(root, 'native', 'sources.json'), 'utf8'));
  const flags = ['-std=c++20', '-fvisibility=hidden', '-fvisibility-inlines-hidden', '-fexceptions'];
  const settings = (own) => ({
    'cflags_cc!': ['-fno-exceptions', '-std=gnu++17', '-std=gnu++20'],
    cflags_cc: own,
    xcode_settings: { OTHER_CPLUSPLUSFLAGS: own, GCC_ENABLE_CPP_EXCEPTIONS: 'YES' },
  });
  const kernels = Object.entries(sources.isas[process.arch] ?? sources.isas.other).map(([isa, own]) => ({
    target_name: `kernels_${isa}`,
    type: 'static_library',
    sources: sources.kernels,
    defines: [`FASTSDE_ISA=${isa}`],
    ...settings([...flags, ...sources.kernelFlags, ...own]),
  }));
  const linux = { libraries: ['-pthread', '-ldl'], ldflags: ['-Wl,--exclude-libs,ALL', '-Wl,--gc-sections'] };
  const fastsde = {
    target_name: 'fastsde',
    sources: sources.core,
    defines: sources.defines,
    include_dirs: ['node-api-headers', 'node-addon-api'].map((name) =>
      path.resolve(require(name).include_dir),
    ),
    dependencies: kernels.map(({ target_name }) => target_name),
    ...settings([...flags, ...(sources.coreFlags[process.arch] ?? sources.coreFlags.other)]),
    ...(process.platform === 'linux' && linux),
  };
  return { targets: [fastsde, ...kernels] };
}

function buildWithGyp(nodeGyp) {
  // What binding.gyp includes.
  const targets = path.join(root, 'targets.gypi');
  writeFileSync(targets, JSON.stringify(gypTargets(), null, 2));
  process.once('exit', () => rmSync(targets));
  // Every Node distribution has its headers beside the binary, so nothing is downloaded.
  const nodedir = path.dirname(path.dirname(process.execPath));
  run(process.execPath, [nodeGyp, 'rebuild', '--release', '--jobs', jobs, `--nodedir=${nodedir}`]);
}

discardForeignBuild();
if (!options.force && !withCuda && existsSync(addon) && statSync(addon).mtimeMs >= newestSource()) {
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
