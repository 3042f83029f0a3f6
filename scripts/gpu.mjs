// Builds the kernels for GPUs, runs their tests on the GPU of this machine and measures; or runs the tests in emulation.
//
//   node scripts/gpu.mjs                  needs nvcc and a GPU; prints a table
//   node scripts/gpu.mjs --emulated       needs a C++ compiler
//   node scripts/gpu.mjs --instructions   needs nvcc and cuobjdump (CUDA's toolkit): instructions per element, by disassembly

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const { values } = parseArgs({
  options: { emulated: { type: 'boolean' }, instructions: { type: 'boolean' } },
});

function run(command, args, env = {}) {
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ...env },
  });
  if (error) throw error;
  if (status !== 0) {
    console.error(`${command} ${args.join(' ')}\nfailed with exit status ${status}.`);
    process.exit(1);
  }
}

/** Elements that a thread of a kernel makes. */
const elements = (kernel) => (/^(affine|normal|uniform|diffuse)_vector/.test(kernel) ? 16 : 1);

/** What a program of CUDA's toolkit prints. */
function toolkit(program, args) {
  try {
    return execFileSync(program, args, { encoding: 'utf8', maxBuffer: 1 << 28 });
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
    console.error(`There is no ${program} in PATH: it comes with CUDA's toolkit.`);
    process.exit(1);
  }
}

function countInstructions() {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'fastsde-'));
  const cubin = path.join(folder, 'module.cubin');
  const source = path.join(root, 'native', 'cuda', 'module.cu');
  console.log('| kernel | sm_80 | sm_90 |\n| --- | --- | --- |');
  const counts = new Map();
  for (const architecture of ['sm_80', 'sm_90']) {
    const flags = ['-std=c++17', '-fmad=false', `-arch=${architecture}`, '-cubin', source, '-o', cubin];
    toolkit('nvcc', flags);
    const text = toolkit('cuobjdump', ['-sass', cubin]);
    for (const part of text.split('Function : ').slice(1)) {
      const kernel = /^\w+/.exec(part)[0];
      const instructions = [...part.matchAll(/^\s+\/\*[0-9a-f]{4,}\*\/\s+(?:@!?U?P\w+ )?([A-Z]\w*)/gm)];
      const count = instructions.filter(([, name]) => name !== 'NOP').length;
      counts.set(kernel, [...(counts.get(kernel) ?? []), count / elements(kernel)]);
    }
  }
  for (const [kernel, list] of [...counts].sort())
    console.log(`| \`${kernel}\` | ${list.map((count) => count.toFixed(0)).join(' | ')} |`);
  rmSync(folder, { recursive: true });
}

if (values.instructions) {
  countInstructions();
} else {
  run('npm', values.emulated ? ['run', 'build:native'] : ['run', 'build:native', '--', '--cuda']);
  run('npx', ['tsc', '-p', 'tsconfig.json']);
  const real = values.emulated ? {} : { FASTSDE_TEST_GPU: '1' };
  run('npx', ['ava', '--timeout=20m', '.test-build/test/{device,training}/cuda*.test.js'], real);
  run(process.execPath, ['.test-build/bench/main.js', 'gpu']);
}
