// Puts the compiled addon, stripped, where an installed package finds it: prebuilds/<platform>-<arch>/fastsde.node.
// Refuses a binary that the machines which Node supports could not load or run:
//
//   on Linux, one that needs a C or C++ library newer than those of Node's own binaries;
//   one where an inline function compiled for one instruction set could be the copy that the linker keeps for all.
//
//   node scripts/prebuild.mjs [addon]      by default build/Release/fastsde.node

import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const built = path.resolve(process.argv[2] ?? path.join(root, 'build', 'Release', 'fastsde.node'));
const folder = path.join(root, 'prebuilds', `${process.platform}-${process.arch}`);

/** The libraries of Red Hat Enterprise Linux 8, on which the binaries of Node 20 to 24 are made. */
const newest = { GLIBC: [2, 28], GLIBCXX: [3, 4, 25], CXXABI: [1, 3, 11] };

/** Whether version a comes after version b. */
function isAfter(a, b) {
  const i = a.findIndex((number, k) => number !== (b[k] ?? 0));
  return i >= 0 && a[i] > (b[i] ?? 0);
}

function tooNew(file) {
  const needed = execFileSync('readelf', ['--version-info', '--wide', file], { encoding: 'utf8' });
  const names = [...needed.matchAll(/Name: ((\w+?)_([\d.]+))/g)];
  return names
    .filter(([, , library, version]) =>
      isAfter(version.split('.').map(Number), newest[library] ?? [Infinity]),
    )
    .map(([, name]) => name);
}

function weakSymbols() {
  const objects = readdirSync(path.join(root, 'build'), { recursive: true })
    .filter((file) => /^(CMakeFiles|Release)\b.*kernels_\w+.*\.o$/.test(file))
    .map((file) => path.join(root, 'build', file));
  if (objects.length === 0)
    refuse('The objects of the kernels are not in build/, so they cannot be checked.');
  const symbols = execFileSync('nm', ['-A', ...objects], { encoding: 'utf8', maxBuffer: 1 << 28 });
  return symbols.split('\n').filter((line) => / [VWuvw] /.test(line));
}

function refuse(reason) {
  console.error(`${path.relative(root, built)} is no prebuilt addon.\n${reason}`);
  process.exit(1);
}

if (process.platform === 'linux') {
  const names = tooNew(built);
  if (names.length > 0) {
    refuse(
      `It needs ${names.join(', ')}; the oldest supported system has GLIBC_2.28, GLIBCXX_3.4.25 and CXXABI_1.3.11.\n` +
        '"objdump -T" names the symbols. Bind them to an older version (native/symbol_version.h), or compile on such a system.',
    );
  }
}
if (process.platform !== 'win32') {
  const weak = weakSymbols();
  if (weak.length > 0)
    refuse(`Objects of an instruction set define weak symbols:\n${weak.slice(0, 10).join('\n')}`);
}

mkdirSync(folder, { recursive: true });
const temporary = path.join(folder, 'unchecked.node');
try {
  copyFileSync(built, temporary);
  if (process.platform === 'linux') execFileSync('strip', ['--strip-unneeded', temporary]);
  if (process.platform === 'darwin') execFileSync('strip', ['-x', temporary]);
  createRequire(import.meta.url)(temporary).info();
  renameSync(temporary, path.join(folder, 'fastsde.node'));
} finally {
  rmSync(temporary, { force: true });
}
const target = path.join(folder, 'fastsde.node');
console.log(`${path.relative(root, target)}: ${(statSync(target).size / 1024).toFixed(0)} kB`);
