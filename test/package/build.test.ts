import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
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
  for (const build of ['CMakeLists.txt', 'native/fastsde.gypi']) {
    t.regex(read(build), /sources\.json/);
    t.notRegex(read(build), /\/\w+\.cc\b/, `${build} lists a source of its own`);
  }
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

// CUDA is no part of the package yet: its sources are compiled where its compiler is.
if (spawnSync('nvcc', ['--version']).status === 0) {
  test('the generator and the kernels compile as CUDA, to correctly rounded operations alone', (t) => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'fastsde-'));
    t.teardown(() => {
      rmSync(folder, { recursive: true });
    });
    const ptx = path.join(folder, 'kernels.ptx');
    const source = path.join(native, 'cuda', 'kernels.cu');
    execFileSync('nvcc', ['-std=c++17', '-fmad=false', '-arch=sm_80', '-ptx', source, '-o', ptx]);
    const code = readFileSync(ptx, 'utf8');
    t.regex(code, /fma\.rn\.f32/);
    t.regex(code, /sqrt\.rn\.f32/);
    t.notRegex(code, /approx|\.ftz|div\.full/);
  });
}
