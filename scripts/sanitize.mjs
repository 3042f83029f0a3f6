// Compiles the addon with the sanitizers of the compiler and runs the tests of the native code under them, once per
// instruction set of this CPU: `address` is AddressSanitizer with UndefinedBehaviorSanitizer, `thread` is
// ThreadSanitizer. Needs Linux, g++ with its sanitizer libraries, CMake and `npm ci`. A few minutes.
//
//   node scripts/sanitize.mjs [address] [thread]      by default both
//
// FASTSDE_FUZZ_RUNS sets how long the fuzz test runs (default 1500 runs of each entry point).

import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const sanitizers = {
  address: {
    flags: '-fsanitize=address,undefined -fno-sanitize-recover=undefined',
    libraries: ['libasan.so', 'libubsan.so'],
    // Node itself ends without freeing everything.
    options: {
      ASAN_OPTIONS: 'detect_leaks=0:allocator_may_return_null=1',
      UBSAN_OPTIONS: 'print_stacktrace=1',
    },
  },
  thread: {
    flags: '-fsanitize=thread',
    libraries: ['libtsan.so'],
    // Node is not instrumented: what it does among its own threads cannot be judged.
    options: { TSAN_OPTIONS: 'ignore_noninstrumented_modules=1:halt_on_error=1:exitcode=66' },
  },
};

function run(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, { stdio: 'inherit', ...options });
  if (error) throw error;
  if (status !== 0) {
    console.error(`${command} ${args.join(' ')}\nfailed with exit status ${status}.`);
    process.exit(1);
  }
}

/** A root of the package of its own, whose tests load its own addon: sources and fixtures are those of the repository. */
function stage(name, { flags }) {
  const folder = path.join(root, 'build', 'sanitize', name);
  mkdirSync(folder, { recursive: true });
  copyFileSync(path.join(root, 'package.json'), path.join(folder, 'package.json'));
  for (const shared of ['native', 'src', 'test', 'models', 'CMakeLists.txt']) {
    rmSync(path.join(folder, shared), { force: true });
    symlinkSync(path.join(root, shared), path.join(folder, shared));
  }
  const build = path.join(folder, 'build');
  const compiler = `-DCMAKE_CXX_FLAGS=${flags} -fno-omit-frame-pointer -g`;
  run('cmake', ['-S', root, '-B', build, '-DCMAKE_BUILD_TYPE=Release', compiler]);
  run('cmake', ['--build', build, '--parallel', '2']);
  const compiled = path.join(folder, '.test-build');
  const info = path.join(compiled, 'tsconfig.tsbuildinfo');
  run('npx', ['tsc', '-p', root, '--outDir', compiled, '--tsBuildInfoFile', info], { cwd: root });
  return folder;
}

function test(folder, { libraries, options }) {
  const preload = libraries.map((library) =>
    execFileSync('g++', [`-print-file-name=${library}`], { encoding: 'utf8' }).trim(),
  );
  const { supported } = createRequire(import.meta.url)(
    path.join(root, 'build', 'Release', 'fastsde.node'),
  ).info();
  // ThreadSanitizer wants addresses where Linux puts them without randomisation.
  const node = [process.execPath, path.join(root, 'node_modules', 'ava', 'entrypoints', 'cli.mjs')];
  const command = ['-R', 'env', `LD_PRELOAD=${preload.join(' ')}`, ...node, '--serial', '--timeout=20m'];
  const env = { ...process.env, ...options };
  for (const isa of supported) {
    console.log(`\n${path.basename(folder)}, ${isa}`);
    const tests = '.test-build/test/device/*.test.js';
    run('setarch', [...command, tests], { cwd: folder, env: { ...env, FASTSDE_ISA: isa } });
  }
  console.log(`\n${path.basename(folder)}, sessions`);
  run('setarch', [...command, '.test-build/test/onnx/run/{sessions,fuzz}.test.js'], { cwd: folder, env });
}

const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(sanitizers);
for (const name of names) {
  if (!(name in sanitizers)) {
    console.error(`There is no sanitizer "${name}": ${Object.keys(sanitizers).join(' or ')}.`);
    process.exit(1);
  }
}
if (!existsSync(path.join(root, 'build', 'Release', 'fastsde.node')))
  run('npm', ['run', 'build:native'], { cwd: root });
for (const name of names) test(stage(name, sanitizers[name]), sanitizers[name]);
