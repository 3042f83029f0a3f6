/**
 * Draws from the noise at which diffusers began, by each of its schedulers, and says how far off latents and pictures are.
 *
 *     node scripts/latent/schedulers.mjs FOLDER...
 *
 * The folders are made by schedulers.py.
 */
import { cp, readdir, readFile } from 'node:fs/promises';
import { encodePrompt, guide, loadDecoder, loadModel, sample } from 'fastsde';
import { decodeNpy } from 'fastsde/data';

for (const folder of process.argv.slice(2)) {
  const known = async (name) => decodeNpy(await readFile(`${folder}/${name}.npy`));
  const json = async (name) =>
    JSON.parse((await readFile(`${folder}/${name}.json`, 'utf8')).replace('-Infinity', 'null'));
  const { prompt, negative, scale } = await json('texts');
  const { inputs, unconditionalInputs } = await encodePrompt(folder, prompt, { negative });
  const decoder = await loadDecoder(folder);
  const { data: start, shape } = await known('start');
  for (const name of await readdir(`${folder}/schedulers`)) {
    const own = `schedulers/${name}`;
    await cp(`${folder}/${own}/scheduler_config.json`, `${folder}/scheduler/scheduler_config.json`);
    const config = await json('scheduler/scheduler_config');
    const { num_inference_steps: steps } = await json(`${own}/expected`);
    const model = await loadModel(folder, { inputs });
    const guided = guide(model, { kind: 'classifier-free', scale, unconditionalInputs });
    const options = { count: shape[0], ...(steps && { steps }) };
    // What is drawn from the prior is given: schedulers of noise levels begin at the noise times its size.
    const initial = Float32Array.from(start, (z) => z * priorOf(config, model, steps ?? 50));
    const { samples, options: resolved, warnings } = await sample(guided, { ...options, initial });
    const pictures = await decoder.decode(samples, shape);
    const [latents, painted] = [
      difference(samples, (await known(`${own}/latents`)).data),
      difference(pictures.samples, (await known(`${own}/pictures`)).data),
    ];
    const { _class_name: kind, timestep_spacing: spread = '' } = config;
    const { predictor, steps: made } = resolved;
    console.log(
      [name, kind, spread, made, predictor, latents.toPrecision(2), painted.toPrecision(2), ...warnings].join(
        '  ',
      ),
    );
    await model.close();
  }
  await decoder.close();
}

/** The deviation of the first state: that of sigma_max and 1 together for EDM, sigma where Euler's scheduler and its kin start at noise alone, else 1. */
function priorOf({ _class_name: kind, timestep_spacing: spread, sigma_max: most }, { ladder }, steps) {
  if (/^EDM/.test(kind)) return Math.hypot(most, 1);
  if (!/Euler|LMS|Heun|KDPM2/.test(kind) || !ladder || spread === 'leading') return 1;
  const { alpha, sigma, levels } = ladder;
  const ratio = alpha[levels - 1] === 0 ? 4096 : sigma[levels - 1] / alpha[levels - 1];
  return ratio / Math.hypot(1, ratio);
}

function difference(a, b) {
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0);
}
