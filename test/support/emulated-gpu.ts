import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';

const root = path.join(import.meta.dirname, '..', '..', '..');
const emulation = path.join(root, 'test', 'emulation');

/** All that a driver of emulated kernels is compiled from. */
function sources(): Buffer[] {
  const native = path.join(root, 'native');
  const files = readdirSync(native, { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.(cu|h)$/.test(file))
    .map((file) => path.join(native, file));
  const own = readdirSync(emulation).map((file) => path.join(emulation, file));
  return [...files, ...own].sort().map((file) => readFileSync(file));
}

/**
 * Compiles a driver of CUDA whose device is the host, by the compiler that CXX names: one for this process's kind of machine.
 * @param module the file of the kernels.
 */
export function compileDriver(module: string, out: string): void {
  const flags = ['-std=c++20', '-O1', '-ffp-contract=off', '-Wno-unknown-pragmas', '-fPIC', '-shared'];
  const native = process.arch === 'x64' ? ['-march=native'] : [];
  const source = path.join(emulation, 'driver.cc');
  execFileSync(process.env['CXX'] ?? 'c++', [
    ...flags,
    ...native,
    `-DFASTSDE_MODULE="${module}"`,
    source,
    '-o',
    out,
  ]);
}

/** Whether tests are for the GPU of the machine instead, as FASTSDE_TEST_GPU=1 says. */
export const isRealGpu: boolean = process.env['FASTSDE_TEST_GPU'] === '1';

/**
 * Makes the environment name the driver with all kernels, compiled unless it is there. All code that ships on the way to a kernel, and the
 * kernels themselves, then run as on a GPU.
 */
export function useEmulatedGpu(): void {
  if (isRealGpu) return;
  const hash = createHash('sha256');
  for (const source of sources()) hash.update(source);
  const folder = path.join(root, '.test-build', 'emulation');
  const file = path.join(folder, `libcuda-${process.arch}-${hash.digest('hex').slice(0, 16)}.so`);
  if (!existsSync(file)) {
    mkdirSync(folder, { recursive: true });
    const place = mkdtempSync(path.join(folder, 'compile-'));
    compileDriver(path.join(root, 'native', 'cuda', 'module.cu'), path.join(place, 'libcuda.so'));
    renameSync(path.join(place, 'libcuda.so'), file);
    rmSync(place, { recursive: true });
  }
  process.env['FASTSDE_LIBCUDA'] = file;
}
