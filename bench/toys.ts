import { optionsFor } from '../src/cli/train-run.js';
import { networkFor } from '../src/cli/train-network.js';
import { toys, type ToyName } from '../src/data/toys.js';
import { modelBytes } from '../src/onnx/model.js';
import { loadModel } from '../src/score/onnx.js';
import { fixedStep } from '../src/solvers/fixed-step.js';
import { sample } from '../src/workflows/sample.js';
import { train } from '../src/workflows/train.js';
import { printTable } from './measure.js';

const POINTS = 5000;
const REPEATS = 8;

/**
 * Energy distance of what `fastsde train --data <toy>` has learned to the law of the toy, against that of two sets of data
 * of the same size, which is what samples of the law itself would have (Szekely and Rizzo 2013).
 */
export async function run(): Promise<void> {
  console.log(
    `Energy distance of ${POINTS} samples to ${POINTS} points of the data, means of ${REPEATS} pairs:\n`,
  );
  const rows: string[][] = [];
  for (const name of Object.keys(toys) as ToyName[]) {
    const before = process.cpuUsage();
    const samples = await learned(name);
    const { user, system } = process.cpuUsage(before);
    const fresh = (k: number): Float32Array => toys[name].sample(POINTS, { first: 1e6 + k * POINTS }).data;
    let floor = 0;
    let model = 0;
    for (let k = 0; k < REPEATS; k++) {
      const data = fresh(2 * k);
      floor += energyDistance(data, fresh(2 * k + 1)) / REPEATS;
      model += energyDistance(samples.subarray(2 * POINTS * k, 2 * POINTS * (k + 1)), data) / REPEATS;
    }
    const figures = [floor.toExponential(2), model.toExponential(2), (model / floor).toFixed(2)];
    rows.push([name, ...figures, ((user + system) / 1e6).toFixed(0)]);
  }
  printTable(['toy', 'data to data', 'model to data', 'ratio', 'processor s'], rows);
}

/** Samples of the network that the command line trains by default. */
async function learned(name: ToyName): Promise<Float32Array> {
  const data = toys[name].sample(50_000);
  const config = { data: name };
  const network = await networkFor(config, data, 0n);
  const { model } = await train(network, data, await optionsFor(config, data));
  const trained = await loadModel(modelBytes(model), { probe: false });
  const solver = fixedStep({ steps: 50, spacing: 'uniform-lambda' });
  const { samples } = await sample(trained, { count: REPEATS * POINTS, batch: 4096, solver });
  await trained.close();
  return samples;
}

/** 2 E|X - Y| - E|X - X'| - E|Y - Y'| over the points of the plane of two sets. */
function energyDistance(a: Float32Array, b: Float32Array): number {
  return 2 * meanDistance(a, b) - meanDistance(a, a) - meanDistance(b, b);
}

function meanDistance(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i += 2) {
    for (let j = 0; j < b.length; j += 2)
      sum += Math.sqrt((a[i]! - b[j]!) ** 2 + (a[i + 1]! - b[j + 1]!) ** 2);
  }
  return sum / ((a.length * b.length) / 4);
}
