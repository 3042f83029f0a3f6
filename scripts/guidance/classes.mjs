// Draws digits of given classes, the same number of each, and prints how many the embedded feature network takes for their class. The
// samples are written for a judge that chose nothing (scripts/models/classifier.py judge --in-turn):
//
//   npm run build:ts && node scripts/guidance/classes.mjs FOLDER [count] [KIND:SCALE ...]
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeNpy } from '../../dist/data.js';
import { embeddedFeatures, loadFeatureNetwork } from '../../dist/evaluation.js';
import { sample } from '../../dist/index.js';
import { guided } from './guided.mjs';
import { shareOfClass } from './share.mjs';

const [folder, count = '1000', ...asked] = process.argv.slice(2);
const runs =
  asked.length > 0 ? asked : ['classifier-free:1', 'classifier-free:2', 'classifier:1', 'classifier:5'];
const network = await loadFeatureNetwork(embeddedFeatures());
const classLabel = Int32Array.from({ length: Number(count) }, (_, i) => i % 10);
await mkdir(folder, { recursive: true });
for (const run of runs) {
  const [kind, scale] = run.split(':');
  const { samples, shape, counts } = await sample(guided(kind, Number(scale)), {
    count: Number(count),
    classLabel,
    batch: 64,
  });
  await writeFile(join(folder, `${kind}-${scale}.npy`), encodeNpy({ data: samples, shape }));
  const share = await shareOfClass(network, samples, classLabel);
  console.log(`| ${kind} | ${scale} | ${(100 * share).toFixed(1)} % | ${JSON.stringify(counts.networks)} |`);
}
