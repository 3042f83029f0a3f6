/**
 * Draws from the latents at which diffusers began, by DDIM (of a flow, Euler) on the levels that it visited, and says how far off latents and
 * pictures are; what loading took, and the memory.
 *
 *     node scripts/latent/compare.mjs FOLDER...
 *
 * The folders are made by diffusers_folder.py.
 */
import { readFile } from 'node:fs/promises';
import { dataLevel, encodePrompt, guide, levelAt, loadDecoder, loadModel } from 'fastsde';
import { decodeNpy } from 'fastsde/data';

for (const folder of process.argv.slice(2)) {
  const known = async (name) => decodeNpy(await readFile(`${folder}/${name}.npy`));
  const json = async (name) => JSON.parse(await readFile(`${folder}/${name}.json`, 'utf8'));
  const expected = await json('expected');
  const began = performance.now();
  const texts = { negative: expected.negative_prompt };
  const { inputs, unconditionalInputs } = await encodePrompt(folder, expected.prompt, texts);
  const model = await loadModel(folder, { inputs });
  const decoder = await loadDecoder(folder);
  const loaded = performance.now();
  const strength = { scale: expected.guidance_scale, unconditionalInputs };
  const guided = guide(model, { kind: 'classifier-free', ...strength });
  const { data: start, shape } = await known('start');
  const latents = await walk(
    guided,
    levelsOf(model, expected, await json('scheduler/scheduler_config')),
    start,
    shape,
  );
  const pictures = await decoder.decode(latents, shape);
  const drawn = performance.now();
  console.log(folder);
  console.log(`  latents   ${difference(latents, (await known('latents')).data).toPrecision(2)}`);
  console.log(`  pictures  ${difference(pictures.samples, (await known('pictures')).data).toPrecision(2)}`);
  console.log(
    `  loading   ${(loaded - began).toFixed(0)} ms, texts included; drawing ${(drawn - loaded).toFixed(0)} ms`,
  );
  console.log(`  memory    ${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MB at most`);
  await Promise.all([guided.close(), decoder.close()]);
}

/** The levels of diffusers' time steps, and the one at which it ends. */
function levelsOf(model, { timesteps }, scheduler) {
  const { ladder } = model;
  if (!ladder) return [...timesteps.map((t) => levelAt(model, t / 1000)), dataLevel];
  const level = (index) => levelAt(model, (index + 1) / ladder.levels, index);
  return [...timesteps.map(level), scheduler.set_alpha_to_one === false ? level(0) : dataLevel];
}

async function walk(model, levels, start, [count]) {
  const x = Float32Array.from(start);
  const output = new Float32Array(x.length);
  for (const [k, to] of levels.entries()) {
    if (k === 0) continue;
    const from = levels[k - 1];
    await model.evaluate(x, Array(count).fill(from), output);
    const isFlow = model.parameterization === 'flow';
    const { state, output: factor } = isFlow ? { state: 0, output: 0 } : model.coefficients(from);
    for (let i = 0; i < x.length; i++) {
      const noise = -from.sigma * (state * x[i] + factor * output[i]);
      if (isFlow) x[i] += (to.sigma - from.sigma) * output[i];
      else x[i] = (to.alpha * (x[i] - from.sigma * noise)) / from.alpha + to.sigma * noise;
    }
  }
  return x;
}

function difference(a, b) {
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0);
}
