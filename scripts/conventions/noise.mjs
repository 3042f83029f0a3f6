// Prints the noise of a run with seed 0, so that others can draw the samples that fastsde draws: float32, first that of the prior, then that of every
// step, each [count, elements].
//
//   node scripts/conventions/noise.mjs <count> <elements> <steps>
import { fillNormal, Stream } from '../../dist/index.js';

const [count, elements, steps] = process.argv.slice(2).map(Number);
for (let step = -1; step < steps; step++) {
  const z = new Float32Array(count * elements);
  const address = { seed: 0n, samples: 0, step: Math.max(step, 0) };
  fillNormal(z, count, { ...address, stream: step < 0 ? Stream.prior : Stream.predictor });
  process.stdout.write(Buffer.from(z.buffer));
}
