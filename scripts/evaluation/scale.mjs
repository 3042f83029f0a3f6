// Time and memory of metrics on features that are drawn, not stored: after "npm run build:ts",
//
//   node scripts/evaluation/scale.mjs frechet|kernel|manifold [count = 50000] [width = 2048]

import { frechetDistance, kernelDistance, manifoldMetrics } from '../../dist/evaluation.js';

const metrics = { frechet: frechetDistance, kernel: kernelDistance, manifold: manifoldMetrics };
const [name = 'frechet', count = 50_000, width = 2048] = process.argv.slice(2);

/** Features with a falling spectrum and a mean, by a small generator of their own. */
function drawn(seed, scale) {
  return {
    count: Number(count),
    width: Number(width),
    read(first, rows) {
      const out = new Float32Array(rows * width);
      for (let i = 0; i < rows; i++) {
        let state = Math.imul((first + i + 1) * 7919 + (i % 4), 2654435761) ^ seed;
        for (let j = 0; j < width; j++) {
          state = (Math.imul(state, 1664525) + 1013904223) | 0;
          out[i * width + j] = 0.4 + (scale * state) / 2 ** 31 / Math.sqrt(1 + j / 16);
        }
      }
      return Promise.resolve(out);
    },
  };
}

const before = process.cpuUsage();
const start = performance.now();
const result = await metrics[name](drawn(1, 1), drawn(2, 1.05));
const { user, system } = process.cpuUsage(before);
console.log(JSON.stringify(result));
console.log(
  `${name}, ${count} x ${width}: ${((performance.now() - start) / 1000).toFixed(1)} s, ${((user + system) / 1e6).toFixed(1)} s of processors, ` +
    `${(process.resourceUsage().maxRSS / 2 ** 20).toFixed(2)} GiB at most`,
);
