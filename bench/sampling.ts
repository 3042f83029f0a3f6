import { performance } from 'node:perf_hooks';
import { loadModel } from '../src/score/network/load.js';
import type { ScoreModel } from '../src/score/model.js';
import { sample } from '../src/sampling/sample.js';
import { levelAt, type Level } from '../src/sde/level.js';

/** Time of a predictor-corrector run against its bare network calls, both in this process, in turns. */
export async function run(): Promise<void> {
  const batch = 64;
  const steps = 20;
  const model = await loadModel('models/mnist-vp.onnx', { probe: false });
  const elements = model.shape.reduce((product, n) => product * n, batch);
  const x = new Float32Array(elements);
  const output = new Float32Array(elements);
  const levels = new Array<Level>(batch).fill(levelAt(model, 0.5));
  const calls = 2 * steps + 1;
  const bare = async () => {
    for (let i = 0; i < calls; i++) await model.evaluate(x, levels, output);
  };
  const sampler = async () => {
    await sample(model, { count: batch, batch, steps });
  };
  const inside = { ms: 0 };
  const timed: ScoreModel = timedModel(model, inside);
  const split = async () => {
    inside.ms = 0;
    const start = performance.now();
    await sample(timed, { count: batch, batch, steps });
    return (performance.now() - start - inside.ms) / inside.ms;
  };
  const times: { bare: number; sampler: number; outside: number }[] = [];
  for (let round = 0; round < 7; round++) {
    times.push({ bare: await clock(bare), sampler: await clock(sampler), outside: await split() });
  }
  const best = (pick: (row: (typeof times)[number]) => number) => Math.min(...times.map(pick));
  const ratio = best((row) => row.sampler) / best((row) => row.bare);
  console.log(
    `predictor-corrector, ${batch}x${model.shape.join('x')}, ${calls} evaluations, best of ${times.length}`,
  );
  console.log(`  network calls alone       ${(best((row) => row.bare) / calls).toFixed(2)} ms each`);
  console.log(`  sampler                   ${(best((row) => row.sampler) / calls).toFixed(2)} ms each`);
  console.log(`  ratio                     ${ratio.toFixed(4)}`);
  console.log(
    `  time outside the network  ${(100 * median(times.map((row) => row.outside))).toFixed(2)} % of the time inside (median)`,
  );
  await model.close();
}

async function clock(run: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await run();
  return performance.now() - start;
}

/** The model, with the time inside its evaluations added up. */
function timedModel(model: ScoreModel, inside: { ms: number }): ScoreModel {
  return {
    shape: model.shape,
    sde: model.sde,
    parameterization: model.parameterization,
    coefficients: (level) => model.coefficients(level),
    close: () => model.close(),
    async evaluate(...args) {
      const start = performance.now();
      await model.evaluate(...args);
      inside.ms += performance.now() - start;
    },
  };
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1]!;
}
