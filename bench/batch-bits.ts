/**
 * Prints whether a network's output for a sample depends on the batch that it is in and on the number of threads:
 * `node .test-build/bench/batch-bits.js [model.onnx ...]`, after `tsc`. Default: the embedded models.
 */
import { Stream } from '../src/device/binding.js';
import { fillNormal } from '../src/device/kernels.js';
import { loadModel } from '../src/score/network/load.js';
import { levelAt, type Level } from '../src/sde/level.js';

const COUNT = 64;
const files = process.argv.slice(2);

for (const file of files.length > 0 ? files : ['models/mnist-vp.onnx', 'models/mnist-ve.onnx']) {
  const outputs = new Map<string, Float32Array>();
  for (const threads of [1, 2]) {
    for (const batch of [1, 2, 3, 8, 16, COUNT]) {
      outputs.set(`threads ${threads}, batch ${batch}`, await outputsOf(file, threads, batch));
    }
  }
  const [reference, ...others] = [...outputs].reverse();
  console.log(`${file}, against ${reference![0]}:`);
  for (const [name, values] of others) {
    const { differing, largest } = compare(values, reference![1]);
    console.log(
      `  ${name}: ${differing} of ${values.length} values differ, by at most ${largest.toExponential(1)}`,
    );
  }
}

/** Outputs on COUNT noise samples at three times, `batch` samples at a time. */
async function outputsOf(file: string, threads: number, batch: number): Promise<Float32Array> {
  const model = await loadModel(file, { threads, probe: false });
  const elements = model.shape.reduce((product, size) => product * size, 1);
  const results: Float32Array[] = [];
  for (const share of [0.9, 0.3, 0.01]) {
    const t = share * model.sde.T;
    const level = levelAt(model, t, model.ladder && Math.floor(share * model.ladder.levels));
    const x = new Float32Array(COUNT * elements);
    fillNormal(x, COUNT, { seed: 1n, samples: 0, step: 0, stream: Stream.user });
    for (let i = 0; i < x.length; i++) x[i]! *= level.sigma;
    const output = new Float32Array(x.length);
    for (let start = 0; start < COUNT; start += batch) {
      const size = Math.min(batch, COUNT - start);
      const part = [start * elements, (start + size) * elements] as const;
      await model.evaluate(
        x.subarray(...part),
        new Array<Level>(size).fill(level),
        output.subarray(...part),
        model.classes === undefined ? undefined : new Int32Array(size),
      );
    }
    results.push(output);
  }
  await model.close();
  return Float32Array.from(results.flatMap((values) => [...values]));
}

function compare(a: Float32Array, b: Float32Array): { differing: number; largest: number } {
  let [differing, largest] = [0, 0];
  a.forEach((value, i) => {
    if (Object.is(value, b[i])) return;
    differing++;
    largest = Math.max(largest, Math.abs(value - b[i]!));
  });
  return { differing, largest };
}
