// npm run bench -- restoration: lower halves of 16 MNIST digits by guided DDIM steps under the embedded VP model, beside the same steps in PyTorch
// (where python3 has torch, onnx and onnxruntime): same weights, same noise, same times, same threads. FASTSDE_DATA says where MNIST lies.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { maskFromName } from '../src/control/from-name.js';
import { measure } from '../src/control/measurement.js';
import { inpainting } from '../src/control/operators.js';
import { restore } from '../src/control/restore.js';
import { mnist } from '../src/data/mnist.js';
import { Stream } from '../src/device/binding.js';
import { fillNormal } from '../src/device/kernels.js';
import { decodeNpy, encodeNpy } from '../src/io/npy.js';
import { embeddedModel } from '../src/score/network/embedded.js';
import { loadModel } from '../src/score/network/load.js';
import { spacedTimes } from '../src/sde/grid.js';
import { printTable } from './measure.js';

const COUNT = 16;
const STEPS = 10;
const ROUNDS = 3;

interface Timing {
  readonly seconds: number;
  readonly cpu: number;
}

export async function run(): Promise<void> {
  const threads = os.availableParallelism();
  const model = await loadModel(embeddedModel('vp'), { threads });
  const { data } = await mnist();
  const operator = inpainting(maskFromName('half:bottom', model.shape), model.shape);
  const values = measure(
    operator,
    Float32Array.from((data as Uint8Array).subarray(0, COUNT * 784), (byte) => byte / 127.5 - 1),
  );
  const grid = spacedTimes(model.sde, { steps: STEPS, grid: 'uniform-lambda' });
  const x = new Float32Array(COUNT * 784);
  fillNormal(x, COUNT, { seed: 0n, samples: 0, step: 0, stream: Stream.prior });

  const folder = mkdtempSync(path.join(os.tmpdir(), 'fastsde-bench-'));
  const arrays = Object.entries({ x, y: values, times: grid }).map(([name, array]) => {
    const file = path.join(folder, `${name}.npy`);
    writeFileSync(file, encodeNpy({ data: array, shape: [array.length] }));
    return file;
  });
  const own = async (iterations: number): Promise<Timing & { samples: Float32Array }> => {
    const method =
      iterations === 0 ? ({ method: 'pigdm' } as const) : ({ method: 'mmps', iterations } as const);
    const before = process.cpuUsage();
    const { seconds, samples } = await restore(
      model,
      { operator, values },
      { ...method, solver: 'ddim', grid, count: COUNT, batch: COUNT },
    );
    const { user, system } = process.cpuUsage(before);
    return { seconds, cpu: (user + system) / 1e6, samples };
  };
  const torch = (iterations: number): (Timing & { samples: Float32Array }) | undefined => {
    const script = path.join(import.meta.dirname, '..', '..', 'bench', 'restoration_torch.py');
    const out = path.join(folder, 'out.npy');
    const args = [script, embeddedModel('vp'), ...arrays, String(iterations), String(threads), out];
    const { status, stdout } = spawnSync('python3', args, { encoding: 'utf8' });
    if (status !== 0) return undefined;
    const samples = decodeNpy(readFileSync(out), out).data as Float32Array;
    return { ...(JSON.parse(stdout) as Timing), samples };
  };

  const rows: string[][] = [];
  await own(1); // the differentiated network is made at first use
  for (const iterations of [0, 1, 3]) {
    const ratios: [number, number][] = [];
    let off = NaN;
    let least = Infinity;
    for (let round = 0; round < ROUNDS; round++) {
      const [ours, theirs] = [await own(iterations), torch(iterations)];
      least = Math.min(least, ours.seconds / (STEPS + 1));
      if (!theirs) continue;
      ratios.push([theirs.seconds / ours.seconds, theirs.cpu / ours.cpu]);
      off = ours.samples.reduce((most, value, i) => Math.max(most, Math.abs(value - theirs.samples[i]!)), 0);
    }
    const shown = (k: 0 | 1) =>
      ratios.map((pair) => pair[k].toFixed(2)).sort()[Math.floor(ratios.length / 2)] ?? '';
    rows.push([
      iterations === 0 ? 'pigdm' : `mmps, ${iterations}`,
      (1000 * least).toPrecision(3),
      shown(0),
      shown(1),
      off.toExponential(1),
    ]);
  }
  rmSync(folder, { recursive: true });
  await model.close();
  printTable(
    [`a step of ${COUNT} digits`, 'ms, best', 'PyTorch, clock', 'processor', 'samples differ by'],
    rows,
  );
}
