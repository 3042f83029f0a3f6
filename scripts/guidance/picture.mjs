// The digits of docs/guidance.md: a class in each column, the same noise down a column; rows of scale 1, 2 and 5 without a classifier
// (of its classes) and with one (below).
//
//   npm run build && node scripts/guidance/picture.mjs docs/images/guidance.png
import { sample, writeImageGrid } from '../../dist/index.js';
import { guided } from './guided.mjs';

const [path = 'guidance.png'] = process.argv.slice(2);
const scales = [1, 2, 5];
const rows = ['classifier-free', 'classifier'].flatMap((kind) => scales.map((scale) => guided(kind, scale)));
const classLabel = Int32Array.from({ length: 10 }, (_, digit) => digit);
const samples = new Float32Array(rows.length * 10 * 784);
for (const [i, model] of rows.entries()) {
  const drawn = await sample(model, { count: 10, classLabel, solver: 'dpmpp-2m', steps: 40, seed: 4 });
  samples.set(drawn.samples, i * 10 * 784);
}
const shape = [rows.length * 10, 1, 28, 28];
await writeImageGrid(path, { samples, shape, range: rows[0].sde.dataRange }, { columns: 10 });
