// Runs as a page asks for them: checked, and drawn by engines.
import {
  embeddedModel,
  gridNames,
  inpainting,
  openEngines,
  OptionError,
  predictorNames,
  sdeNames,
  solverNames,
  correctorNames,
} from 'fastsde';

/** What a run may say. One that completes a picture is drawn as `restore` does by itself. */
const fields = {
  all: ['model', 'count', 'seed', 'steps'],
  sampler: ['solver', 'corrector', 'snr', 'correctorSteps', 'grid', 'stepSize'],
  mixture: ['sde', 'mixture'],
  digits: ['sde', 'known', 'show'],
  classes: ['class', 'guidance', 'known', 'show'],
};

/** How large its numbers may be: what one server does for one client at once. */
const most = {
  count: { mixture: 500, digits: 64, classes: 64 },
  ...{ steps: 500, correctorSteps: 5, modes: 12, frames: 120 },
};

/** Methods that choose their own steps, or take them otherwise. */
const others = solverNames.filter((name) => name !== 'predictor-corrector');

export const names = {
  predictors: predictorNames.filter((name) => name !== 'none'),
  others,
  correctors: correctorNames,
  grids: gridNames,
  sdes: sdeNames,
};

/**
 * Draws, and yields what is to be shown: frames on the way, `{ type: 'frame', step, steps, t, alpha, sigma, data }`, then
 * `{ type: 'result', .. }`. Data are points as float32, or pixels as bytes, in base64.
 *
 * @param body what the client sent, of any kind.
 * @throws OptionError for what is not to be drawn; what the engines throw.
 */
export async function* draw(body, { client, signal }) {
  const model = choice('model', isObject(body) ? body.model : body, Object.keys(most.count));
  const completes = model !== 'mixture' && body.known !== undefined;
  const taken = [...fields.all, ...(completes ? [] : fields.sampler), ...fields[model]];
  for (const [name, value] of Object.entries(body))
    if (!taken.includes(name)) throw new OptionError(name, value, 'left out');
  const options = {
    ...{ client, signal },
    count: integer('count', body.count, 1, most.count[model]),
    seed: integer('seed', body.seed, 0, Number.MAX_SAFE_INTEGER),
    steps: body.steps === undefined ? undefined : integer('steps', body.steps, 1, most.steps),
  };
  const chosen = completes ? options : { ...options, ...samplerOf(body) };
  if (model === 'mixture') yield* drawPoints(body, chosen);
  else yield* drawPictures(model, body, chosen);
}

/** All frames at once: points of the plane take milliseconds. */
async function* drawPoints(body, options) {
  const engines = await openEngines({
    mixture: mixtureOf(body.mixture),
    sde: choice('sde', body.sde, sdeNames),
  });
  try {
    const result = await engines.sample({
      ...options,
      trajectory: Math.ceil((body.steps ?? most.frames) / most.frames),
    });
    const { trajectory } = result;
    for (const [i, frame] of trajectory.frames.entries())
      yield frameOf(engines, trajectory.steps[i], trajectory.times[i], floats(frame));
    yield resultOf(result, floats(result.samples));
  } finally {
    await engines.close();
  }
}

/** Frames as they come; where the client is slow, engines leave some out. */
async function* drawPictures(model, body, options) {
  const [engines, classes] = await networkOf(model, body, options.count);
  const preview = choice('show', body.show ?? 'x', ['x', 'x0']);
  const previewEvery = Math.ceil((body.steps ?? 100) / 60);
  const all = { ...options, ...classes, preview, previewEvery };
  const run =
    body.known === undefined ? engines.sample(all) : engines.restore(measured(body.known, engines), all);
  for await (const { step, steps, t, samples } of run)
    yield { ...frameOf(engines, step, t, bytes(samples, engines)), steps };
  const result = await run;
  yield resultOf(result, bytes(result.samples, engines));
}

/** The engines of a network, and the classes where it takes them. */
async function networkOf(model, { sde = 'vp', class: label = 'each', guidance = 1 }, count) {
  if (model === 'digits') {
    const name = choice('sde', sde, ['vp', 've']);
    return [await opened(name, embeddedModel(name)), {}];
  }
  if (label !== 'each') integer('class', label, 0, 9);
  const classLabel = Int32Array.from({ length: count }, (_, i) => (label === 'each' ? i % 10 : label));
  const scale = integer('guidance', guidance, 1, 5);
  const file = embeddedModel('conditional');
  const source = scale === 1 ? file : { model: file, guidance: { kind: 'classifier-free', scale } };
  return [await opened(`classes:${scale}`, source), { classLabel }];
}

function frameOf({ sde }, step, t, data) {
  return { type: 'frame', step, t, alpha: sde.alpha(t), sigma: sde.sigma(t), data };
}

function resultOf({ counts, seconds, warnings, options }, data) {
  const { networks } = counts;
  const runs = Object.values(networks).reduce((sum, count) => sum + count, 0);
  return { type: 'result', runs, seconds, warnings, options: plain(options), data };
}

/** Options as resolved; what JSON does not have, as text. */
function plain(options) {
  return JSON.parse(
    JSON.stringify(options, (_, value) => (typeof value === 'bigint' ? String(value) : value)),
  );
}

const engines = new Map();

/** Engines for a network, opened by whoever needs them first. */
function opened(key, source) {
  let opening = engines.get(key);
  if (!opening) {
    opening = openEngines(source, { engines: 2, threads: 2, queue: 20 });
    engines.set(key, opening);
    opening.catch(() => engines.delete(key));
  }
  return opening;
}

/** Resolves when what they have accepted is answered. */
export async function closeEngines() {
  await Promise.all([...engines.values()].map(async (opening) => (await opening).close()));
}

/** How the samples are drawn; the library says what does not go together. */
function samplerOf({ solver, corrector, snr, correctorSteps, grid, steps, stepSize }) {
  choice('solver', solver, [...names.predictors, ...others]);
  if (correctorSteps !== undefined) integer('correctorSteps', correctorSteps, 1, most.correctorSteps);
  const options = { corrector, snr, correctorSteps, grid };
  if (solver !== 'langevin-dynamics') return { ...options, solver };
  return { ...options, solver: { name: solver, steps, stepSize }, steps: undefined };
}

function mixtureOf(mixture) {
  if (!isObject(mixture)) throw new OptionError('mixture', mixture, '{ weights, means, spreads }');
  const { weights, means, spreads, ...others } = mixture;
  for (const [name, value] of Object.entries(others))
    throw new OptionError(`mixture.${name}`, value, 'left out');
  if (!Array.isArray(means) || means.length > most.modes)
    throw new OptionError('mixture.means', means, `an array of at most ${most.modes} points`);
  for (const [k, mean] of means.entries()) {
    if (!Array.isArray(mean) || mean.length !== 2)
      throw new OptionError(`mixture.means[${k}]`, mean, 'a point');
    for (const value of mean) number(`mixture.means[${k}]`, value, -10, 10);
  }
  if (!Array.isArray(spreads)) throw new OptionError('mixture.spreads', spreads, 'an array of numbers');
  const covariances = spreads.map((spread, k) => number(`mixture.spreads[${k}]`, spread, 0.02, 5) ** 2);
  return { weights, means, covariances };
}

/** The pixels of a picture that are known: bytes in base64, and a character for each pixel, 1 where it is known. */
function measured(known, { shape, sde }) {
  const { pixels, mask } = isObject(known) ? known : {};
  const size = shape[1] * shape[2];
  if (typeof mask !== 'string' || mask.length !== size || !/^[01]*$/.test(mask))
    throw new OptionError('known.mask', mask, `${size} characters 0 or 1`);
  const values = typeof pixels === 'string' ? Buffer.from(pixels, 'base64') : [];
  if (values.length !== size) throw new OptionError('known.pixels', pixels, `${size} bytes in base64`);
  const [low, high] = sde.dataRange;
  return {
    operator: inpainting(Array.from(mask, Number), shape),
    values: Float32Array.from(values, (value) => low + ((high - low) * value) / 255),
  };
}

function floats(samples) {
  return Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength).toString('base64');
}

function bytes(samples, { sde }) {
  const [low, high] = sde.dataRange;
  return Buffer.from(Uint8ClampedArray.from(samples, (x) => (255 * (x - low)) / (high - low))).toString(
    'base64',
  );
}

function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function choice(name, value, choices) {
  if (!choices.includes(value)) throw new OptionError(name, value, `one of ${choices.join(', ')}`);
  return value;
}

function number(name, value, least, most) {
  if (typeof value === 'number' && value >= least && value <= most) return value;
  throw new OptionError(name, value, `a number from ${least} to ${most}`);
}

function integer(name, value, least, most) {
  if (Number.isInteger(value)) return number(name, value, least, most);
  throw new OptionError(name, value, `an integer from ${least} to ${most}`);
}
