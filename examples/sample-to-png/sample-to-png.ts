// Draws digits into a picture, and shows how far it is.
//
//   node --experimental-strip-types examples/sample-to-png/sample-to-png.ts digits.png 16     (Node 22)
import { embeddedModel, loadModel, sample, writeImageGrid } from 'fastsde';

const [path = 'digits.png', count = '16', steps = '39'] = process.argv.slice(2);

const model = await loadModel(embeddedModel('vp'));
const { samples, shape, seconds } = await sample(model, {
  count: Number(count),
  steps: Number(steps),
  onProgress: ({ fraction }) => {
    process.stderr.write(`\r${Math.round(100 * fraction)} %`);
  },
});
await writeImageGrid(path, { samples, shape, range: model.sde.dataRange });
await model.close();
process.stderr.write(`\r${path}: ${count} samples in ${seconds.toFixed(1)} s\n`);
