/**
 * Draws from the latents at which diffusers began, and says how far off its latents and pictures are; what loading took, and the memory.
 *
 *     node scripts/latent/compare.mjs FOLDER...
 *
 * The folders are made by diffusers_folder.py with `--levels` and `--steps` alike.
 */
import { readFile } from 'node:fs/promises';
import { encodePrompt, guide, loadDecoder, loadModel, sample } from 'fastsde';
import { decodeNpy } from 'fastsde/data';

const difference = (a, b) => a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0);

for (const folder of process.argv.slice(2)) {
  const known = async (name) => decodeNpy(await readFile(`${folder}/${name}.npy`));
  const expected = JSON.parse(await readFile(`${folder}/expected.json`, 'utf8'));
  const start = await known('start');
  const began = performance.now();
  const texts = { negative: expected.negative_prompt };
  const { inputs, unconditionalInputs } = await encodePrompt(folder, expected.prompt, texts);
  const model = await loadModel(folder, { inputs });
  const decoder = await loadDecoder(folder);
  const loaded = performance.now();
  const strength = { scale: expected.guidance_scale, unconditionalInputs };
  const guided = guide(model, { kind: 'classifier-free', ...strength });
  const options = { solver: 'ddim', steps: expected.num_inference_steps, initial: start.data };
  const { samples, shape } = await sample(guided, { ...options, count: start.shape[0] });
  const pictures = await decoder.decode(samples, shape);
  const drawn = performance.now();
  console.log(folder);
  console.log(`  latents   ${difference(samples, (await known('latents')).data).toPrecision(2)}`);
  console.log(`  pictures  ${difference(pictures.samples, (await known('pictures')).data).toPrecision(2)}`);
  console.log(
    `  loading   ${(loaded - began).toFixed(0)} ms, texts included; drawing ${(drawn - loaded).toFixed(0)} ms`,
  );
  console.log(`  memory    ${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MB at most`);
  await Promise.all([guided.close(), decoder.close()]);
}
