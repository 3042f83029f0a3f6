// Whether fastsde makes the features that the library of a network makes: node scripts/evaluation/check.mjs NETWORK.onnx CHECK.npz,
// after "npm run build:ts". The second file is that of --check of the export.
import { readFile } from 'node:fs/promises';
import { decodeNpz } from '../../dist/data.js';
import { loadFeatureNetwork } from '../../dist/evaluation.js';

const [path, check] = process.argv.slice(2);
const { pictures, features: expected } = decodeNpz(await readFile(check), check);
const network = await loadFeatureNetwork(path);
const { features } = await network.run(pictures.data, pictures.shape);
await network.release();
const largest = expected.data.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
const off =
  features.reduce((most, value, k) => Math.max(most, Math.abs(value - expected.data[k])), 0) / largest;
console.log(
  `${network.width} features, ${network.resize}, ${network.shape.join(' x ')}: off by ${off.toExponential(1)} of the largest`,
);
if (!(off < 1e-3) || features.length !== expected.data.length) process.exitCode = 1;
