// How a GPU is opened and given back, beside the thread that asks for it, and what is said where that fails.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

import test from 'ava';

import { Queue } from '../../src/device/queue.js';
import { isRealGpu, useEmulatedGpu } from '../support/emulated-gpu.js';

useEmulatedGpu();

const emulated = isRealGpu ? test.skip : test;

/** What a program prints that has a queue on a GPU, and its addon. */
async function run(program: string, environment: Readonly<Record<string, string>> = {}): Promise<string> {
  const module = (name: string) =>
    JSON.stringify(path.join(import.meta.dirname, '..', '..', 'src', 'device', `${name}.js`));
  const script = `import { addon } from ${module('addon')};
    import { Queue } from ${module('queue')};
    import { rmSync, writeFileSync } from 'node:fs';
    ${program}`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
    env: { ...process.env, ...environment },
    timeout: 60_000,
  });
  return stdout;
}

emulated('a driver that takes long to start and to end leaves the calling thread free', async (t) => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'fastsde-'));
  t.teardown(() => {
    rmSync(folder, { recursive: true });
  });
  const gate = path.join(folder, 'gate');
  // The driver waits for a file that this thread writes in a later turn.
  const stdout = await run(
    `const gate = ${JSON.stringify(gate)};
    const soon = (work) => setTimeout(() => { work(); writeFileSync(gate, ''); }, 50);
    soon(() => console.log('open'));
    const queue = new Queue(undefined, 'cuda');
    const x = queue.allocate(3, 'single');
    queue.write(x, Float32Array.of(1, 2, 3));
    queue.affine(x, [x], Float64Array.of(2, 0));
    console.log('asked');
    console.log([...(await queue.read(x))].join());
    rmSync(gate);
    soon(() => console.log('close'));
    await queue.close();
    console.log('closed');
    rmSync(gate);
    soon(() => console.log('info'));
    console.log((await addon().gpuInfo()).name);`,
    { FASTSDE_EMULATION_GATE: gate },
  );
  t.is(stdout, 'asked\nopen\n2,4,6\nclose\nclosed\ninfo\nthe host, emulated\n');
});

emulated('a process ends while the driver starts', async (t) => {
  const program = `new Queue(undefined, 'cuda').allocate(3, 'single');
    void addon().gpuInfo();
    process.stdout.write('left', () => process.exit());`;
  t.is(await run(program), 'left');
});

(isRealGpu ? test.skip : test.serial)(
  'a stream that cannot be made gives back its pinned memory',
  async (t) => {
    process.env['FASTSDE_EMULATION_EVENTS'] = 'none';
    try {
      // The emulated driver has a hundred blocks of it.
      for (let i = 0; i < 120; i++) {
        const queue = new Queue(undefined, 'cuda');
        queue.allocate(3, 'single');
        await t.throwsAsync(queue.settled(), { code: 'ERR_FASTSDE_LOAD', message: /make an event/ });
        await queue.close();
      }
    } finally {
      delete process.env['FASTSDE_EMULATION_EVENTS'];
    }
    const queue = new Queue(undefined, 'cuda');
    await t.notThrowsAsync(queue.settled());
    await queue.close();
  },
);

emulated('a machine without a GPU that can be used says why', async (t) => {
  const said = (environment: Readonly<Record<string, string>>) =>
    run(
      `const queue = new Queue(undefined, 'cuda');
      await queue.read(queue.allocate(3, 'single')).catch(({ code, message }) => console.log(code + ': ' + message));
      console.log((await addon().gpuInfo()).reason);`,
      environment,
    );
  const [nowhere, other, old, none] = await Promise.all([
    said({ FASTSDE_LIBCUDA: '/nonexistent/libcuda.so.1' }),
    said({ FASTSDE_LIBCUDA: 'libm.so.6' }),
    said({ FASTSDE_EMULATION_VERSION: '11040' }),
    said({ FASTSDE_EMULATION_NO_DEVICE: '1' }),
  ]);
  t.regex(
    nowhere,
    /^ERR_FASTSDE_LOAD: The device cuda cannot be used: there is no CUDA driver: .*nonexistent/,
  );
  t.regex(nowhere, /\nthere is no CUDA driver: .*nonexistent/);
  t.regex(other, /libm.so.6 is too old or incomplete: it has no cuInit/);
  t.regex(old, /too old: it has CUDA 11.4, and 12.0 is needed/);
  t.regex(none, /no CUDA-capable device is detected \(100\)/);
});
