// A constraint of one's own: inpainting by replacement (Song et al. 2021, appendix I.2). Draws a digit, forgets its right half,
// and draws what it may have been: one row of the picture.
//
//   node --experimental-strip-types examples/your-own/inpainting.ts inpainted.png 200     (Node 22)
import { embeddedModel, loadModel, sample, writeImageGrid, type Constraint } from 'fastsde';

/** After every move, the known pixels are those of y with the noise of the level; at the data, of none. */
const inpainting = (y: Float32Array, mask: Float32Array): Constraint => ({
  name: 'inpainting',
  apply(batch, level, address) {
    batch.project(y, mask, level, address);
  },
});

const [path = 'inpainted.png', steps = '200'] = process.argv.slice(2);
const model = await loadModel(embeddedModel('vp'));
const { samples: digit } = await sample(model, { count: 1, seed: 5, steps: Number(steps) });
const mask = Float32Array.from(digit, (_, i) => (i % 28 < 14 ? 1 : 0));
const { samples, options } = await sample(model, {
  count: 7,
  corrector: 'langevin',
  steps: Number(steps),
  constraints: [inpainting(digit, mask)],
});
const [low, high] = model.sde.dataRange;
const seen = digit.map((value, i) => (mask[i] ? value : (low + high) / 2));
const pictures = Float32Array.of(...digit, ...seen, ...samples);
await writeImageGrid(path, { samples: pictures, shape: [9, 1, 28, 28], range: [low, high] }, { columns: 9 });
await model.close();
const kept = samples.every((value, i) => !mask[i % 784] || value === digit[i % 784]);
console.log(JSON.stringify({ kept, constraints: options['constraints'] }));
