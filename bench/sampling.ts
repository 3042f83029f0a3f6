import { performance } from 'node:perf_hooks';
import { closable } from '../src/closing.js';
import { sample, type SampleOptions } from '../src/sampling/sample.js';
import { setCommands } from '../src/score/commands.js';
import type { ScoreModel } from '../src/score/model.js';
import { loadModel } from '../src/score/network/load.js';
import { levelAt, type Level } from '../src/sde/level.js';
import { evaluationsOf } from '../src/solvers/counts.js';
import { predictorNames } from '../src/solvers/names.js';
import { printTable } from './measure.js';

const BATCH = 64;
const ROUNDS = 15;

/** What every sampler costs beside the network: runs with a network that does nothing, against calls of the embedded one. */
export async function run(): Promise<void> {
  const model = await loadModel('models/mnist-vp.onnx', { probe: false });
  const call = await callTime(model);
  const samplers: [string, SampleOptions][] = [
    ['predictor-corrector', { snr: 0.16 }],
    ['predictor-corrector, norm batch', { norm: 'batch' }],
    ...predictorNames
      .filter((name) => name !== 'none')
      .map((name): [string, SampleOptions] => [name, { solver: name }]),
    ['dpmpp-2m, clip', { solver: { name: 'dpmpp-2m', clip: true } }],
    ['dpmpp-2m, threshold 0.995', { solver: { name: 'dpmpp-2m', clip: 0.995 } }],
  ];
  const rows: string[][] = [];
  for (const [name, options] of samplers) {
    const outside = await outsideTime(model, options);
    rows.push([name, '', (1000 * outside).toFixed(0), ((100 * outside) / call).toFixed(2)]);
  }
  console.log(
    `${BATCH}x${model.shape.join('x')}, a call of the network ${call.toFixed(1)} ms, best of ${ROUNDS}`,
  );
  printTable(['sampler', '', 'us an evaluation', '% of the call'], rows);
  await model.close();
}

/** Milliseconds of a call, the best of some. */
async function callTime(model: ScoreModel): Promise<number> {
  const elements = model.shape.reduce((product, n) => product * n, BATCH);
  const [x, output] = [new Float32Array(elements), new Float32Array(elements)];
  const levels = new Array<Level>(BATCH).fill(levelAt(model, 0.5));
  let best = Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    await model.evaluate(x, levels, output);
    best = Math.min(best, performance.now() - start);
  }
  return best;
}

/** Milliseconds an evaluation that a sampler takes for everything else, the best of some runs of about 40 evaluations. */
async function outsideTime(model: ScoreModel, options: SampleOptions): Promise<number> {
  const evaluate: ScoreModel['evaluate'] = () => undefined;
  setCommands(evaluate, () => () => undefined);
  const nothing: ScoreModel = {
    ...{ shape: model.shape, sde: model.sde, parameterization: 'eps', evaluate },
    coefficients: (level) => model.coefficients(level),
    ...closable(() => Promise.resolve()),
  };
  let best = Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    const { counts } = await sample(nothing, { count: BATCH, batch: BATCH, evaluations: 40, ...options });
    best = Math.min(best, (performance.now() - start) / evaluationsOf(counts));
  }
  return best;
}
