import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import test from 'ava';

const root = path.join(import.meta.dirname, '..', '..', '..');
const native = path.join(root, 'native');
const files = readdirSync(native, { recursive: true, encoding: 'utf8' }).map((file) =>
  file.replaceAll('\\', '/'),
);
const read = (file: string) => readFileSync(path.join(root, file), 'utf8');

test('CMake and node-gyp take their sources from one list, and it is complete', (t) => {
  const { core, kernels } = JSON.parse(read('native/sources.json')) as { core: string[]; kernels: string[] };
  const compiled = files.filter((file) => file.endsWith('.cc')).map((file) => `native/${file}`);
  t.deepEqual([...core, ...kernels].sort(), compiled.sort());
  for (const build of ['CMakeLists.txt', 'scripts/build-native.mjs']) {
    t.regex(read(build), /sources\.json/);
    t.notRegex(read(build), /avx|neon|baseline/, `${build} lists an instruction set of its own`);
    t.notRegex(read(build), /\/\w+\.cc\b/, `${build} lists a source of its own`);
  }
});

test('a build folder that belongs to another checkout is compiled anew', (t) => {
  const folder = realpathSync(mkdtempSync(path.join(os.tmpdir(), 'fastsde-')));
  t.teardown(() => {
    rmSync(folder, { recursive: true });
  });
  const place = (...parts: string[]) => path.join(folder, ...parts);
  for (const name of ['scripts', 'native', 'bin', 'build/Release'])
    mkdirSync(place(name), { recursive: true });
  copyFileSync(path.join(root, 'scripts', 'build-native.mjs'), place('scripts', 'build-native.mjs'));
  writeFileSync(place('CMakeLists.txt'), '');
  // Stands for CMake and for the compiler: what it "compiles" is the word of this checkout.
  writeFileSync(
    place('bin', 'cmake'),
    '#!/bin/sh\nmkdir -p build/Release; echo own > build/Release/fastsde.node\n',
  );
  writeFileSync(place('bin', 'c++'), '#!/bin/sh\n');
  for (const name of ['cmake', 'c++']) chmodSync(place('bin', name), 0o755);
  const build = () =>
    execFileSync(process.execPath, [place('scripts', 'build-native.mjs')], {
      encoding: 'utf8',
      cwd: folder,
      env: { PATH: `${place('bin')}:/usr/bin:/bin` },
    });
  const addon = () => readFileSync(place('build', 'Release', 'fastsde.node'), 'utf8');
  const belongsTo = (checkout: string) => {
    writeFileSync(place('build', 'Release', 'fastsde.node'), 'foreign\n');
    writeFileSync(place('build', 'CMakeCache.txt'), `CMAKE_HOME_DIRECTORY:INTERNAL=${checkout}\n`);
  };

  belongsTo(folder);
  t.regex(build(), /up to date/);
  t.is(addon(), 'foreign\n');
  belongsTo(path.join(folder, '..', 'another'));
  t.regex(build(), /another; it is discarded/);
  t.is(addon(), 'own\n');
  t.false(existsSync(place('build', 'CMakeCache.txt')));
});

test('kernels include nothing that could bring in an inline function', (t) => {
  const shared = ['numerics.h', 'noise.h', 'limits.h'];
  for (const file of files.filter((f) => shared.includes(f) || /^kernels\/.*\.(h|cc)$/.test(f))) {
    const includes = [...read(`native/${file}`).matchAll(/#include <(.*)>/g)].map((match) => match[1]);
    for (const include of includes)
      t.true(['stddef.h', 'stdint.h'].includes(include!), `${file}: <${include!}>`);
  }
  t.pass();
});

// Symbols are called weak on Linux alone, where a clone always compiles the addon, and the compiler's assembler brings nm along.
if (process.platform === 'linux') {
  test('objects of an instruction set define no weak symbol', (t) => {
    // The linker keeps one copy of a weak symbol for all: it could be the one compiled for a CPU that is not there.
    const compiled = ['build/CMakeFiles', 'build/Release/obj.target'].flatMap((folder) =>
      objectsOfKernels(folder),
    );
    t.true(compiled.length > 0);
    for (const file of compiled) {
      const symbols = execFileSync('nm', [file], { encoding: 'utf8' });
      t.notRegex(symbols, / [VWuvw] /, file);
    }
  });
}

/** As CMake or node-gyp lays them out. */
function objectsOfKernels(folder: string): string[] {
  const place = path.join(root, folder);
  if (!existsSync(place)) return [];
  return readdirSync(place, { recursive: true, encoding: 'utf8' })
    .filter((file) => /^kernels_.*\.o$/.test(file))
    .map((file) => path.join(place, file));
}

// The addon is compiled without kernels for GPUs unless it is asked for.
if (spawnSync('nvcc', ['--version']).status === 0) {
  test('the kernels compile as CUDA, to correctly rounded operations alone', (t) => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'fastsde-'));
    t.teardown(() => {
      rmSync(folder, { recursive: true });
    });
    const ptx = path.join(folder, 'module.ptx');
    const source = path.join(native, 'cuda', 'module.cu');
    execFileSync('nvcc', ['-std=c++17', '-fmad=false', '-arch=compute_80', '-ptx', source, '-o', ptx]);
    const code = readFileSync(ptx, 'utf8');
    for (const operation of ['fma.rn.f32', 'sqrt.rn.f32', 'div.rn.f32', 'fma.rn.f64', 'sqrt.rn.f64'])
      t.true(code.includes(operation), operation);
    t.notRegex(code, /approx|\.ftz|div\.full/);
  });
}
