import { lawAt } from './law.js';
import { Modes, presets } from './modes.js';
import { Mask, drawPictures, pictureAt, side } from './pictures.js';
import { drawPlane } from './plane.js';
import { bytesOf, run } from './run.js';

const $ = (id) => document.querySelector(`#${id}`);
const form = $('settings');
const field = form.elements;
const canvas = $('canvas');
const scrubber = $('scrubber');
const calm = matchMedia('(prefers-reduced-motion: reduce)');

/** What was drawn: frames on the way, the samples last, and how it is watched. */
let frames = [];
let shown = 0;
let result;
let playing; // the time at which it was started
let under; // the run that is under way

const modes = new Modes(
  $('handles'),
  {
    share: field.share,
    spread: field.spread,
    title: $('mode-title'),
    add: $('add-mode'),
    remove: $('remove-mode'),
  },
  () => {
    // Frames of another mixture would lie about this one.
    forget();
    if (!modes.dragging) drawSoon();
  },
);
const mask = new Mask($('mask'));

const model = () => field.model.value;
const isPlane = () => model() === 'mixture';

// Settings

function addChoices(select, values, label) {
  const options = values.map((value) => new Option(value, value));
  if (!label) return select.append(...options);
  const group = document.createElement('optgroup');
  group.label = label;
  group.append(...options);
  select.append(group);
}

/** Shows the fields that this model and method take; only those are sent. */
function arrange() {
  const fits = { 'of-mixture': isPlane(), 'of-digits': model() === 'digits', 'of-classes': model() === 'classes', 'of-pictures': !isPlane() }; // prettier-ignore
  for (const [name, fit] of Object.entries(fits))
    for (const element of document.querySelectorAll(`.${name}`)) element.hidden = !fit;
  const isOnGrid = others.every((name) => name !== field.solver.value);
  const takes = {
    steps: isOnGrid || field.solver.value === 'langevin-dynamics',
    grid: isOnGrid,
    corrector: isOnGrid,
    snr: isOnGrid && field.corrector.value !== 'none',
    correctorSteps: isOnGrid && field.corrector.value !== 'none',
    stepSize: field.solver.value === 'langevin-dynamics',
  };
  for (const [name, taken] of Object.entries(takes)) {
    field[name].disabled = !taken;
    field[name].closest('label').hidden = !taken && name === 'stepSize';
  }
  field.snrText.value = Number(field.snr.value).toFixed(2);
  field.guidanceText.value = field.guidance.value === '1' ? 'none' : field.guidance.value;
  field.count.max = isPlane() ? 500 : 64;
  $('handles').hidden = !isPlane();
}

let others = [];

/** What each model had last of the fields whose values suit one alone. */
const kept = {
  mixture: { count: '200', solver: 'euler-maruyama' },
  digits: { count: '16', solver: 'dpmpp-2m-sde' },
  classes: { count: '25', solver: 'dpmpp-2m-sde' },
};
let lastModel = 'mixture';

function changeModel() {
  for (const name of Object.keys(kept[lastModel])) kept[lastModel][name] = field[name].value;
  lastModel = model();
  for (const [name, value] of Object.entries(kept[lastModel])) field[name].value = value;
  stop();
  forget();
  arrange();
  void draw();
}

/** A run as the fields have it; with `known`, one that completes a picture. */
function request(known) {
  const text = (name) => (field[name].disabled ? undefined : field[name].value);
  const number = (name) => (field[name].disabled ? undefined : Number(field[name].value));
  const sampler = {
    ...{ solver: text('solver'), corrector: text('corrector'), grid: text('grid') || undefined },
    ...{ snr: number('snr'), correctorSteps: number('correctorSteps'), stepSize: number('stepSize') },
  };
  const own = {
    mixture: () => ({ sde: text('sde'), mixture: modes.mixture }),
    digits: () => ({ sde: text('network'), show: text('show') }),
    classes: () => ({
      show: text('show'),
      class: text('class') === 'each' ? 'each' : number('class'),
      guidance: number('guidance'),
    }),
  };
  const run = { model: model(), count: number('count'), seed: number('seed'), steps: number('steps') };
  return { ...run, ...own[model()](), ...(known ? { known } : sampler) };
}

// A run

async function draw({ fromStart = true, known } = {}) {
  if (!form.reportValidity()) return;
  under?.abort();
  const own = new AbortController();
  under = own;
  forget();
  $('stop').disabled = false;
  say('Drawing');
  const live = fromStart && !calm.matches;
  let quarter = 0;
  try {
    await run(request(known), own.signal, (message) => {
      if (own !== under) return;
      if (message.type === 'frame') {
        add(message);
        if (!isPlane() && live) look(frames.length - 1);
        if (!isPlane() && message.step >= (message.steps * quarter) / 4)
          say(`Step ${message.step} of ${message.steps}`, quarter++);
      } else {
        result = message;
        add({ alpha: 1, sigma: 0, data: message.data });
      }
    });
    if (own !== under) return;
    $('completion').disabled = isPlane();
    if (!known) choosePicture();
    if (live && isPlane()) play();
    else look(frames.length - 1);
    const warnings = result.warnings.map((warning) => ` Note: ${warning}`).join('');
    say(`Done: ${result.runs} evaluations for each sample, in ${result.seconds.toFixed(2)} s.${warnings}`);
  } catch (error) {
    if (own !== under) return;
    if (own.signal.aborted) say('Stopped');
    else say(error.message === 'Failed to fetch' ? 'The server does not answer' : error.message, true);
  } finally {
    if (own === under) {
      under = undefined;
      $('stop').disabled = true;
      facts();
    }
  }
}

/** Forgets the run that is under way, without a word. */
function stop() {
  under?.abort();
  under = undefined;
  $('stop').disabled = true;
}

let soon;
/** After a change: waits for the next one, and leaves the view at the samples. */
function drawSoon() {
  clearTimeout(soon);
  soon = setTimeout(() => void draw({ fromStart: false }), 150);
}

function add(frame) {
  const bytes = bytesOf(frame.data);
  frames.push({ ...frame, ...(isPlane() ? { points: new Float32Array(bytes.buffer) } : { bytes }) });
  scrubber.max = frames.length - 1;
  scrubber.disabled = $('play').disabled = frames.length < 2;
}

function forget() {
  frames = [];
  result = undefined;
  playing = undefined;
  shown = 0;
  scrubber.max = 0;
  scrubber.disabled = $('play').disabled = $('completion').disabled = true;
  paint();
}

function say(text, isWrong = false) {
  $('status').textContent = text;
  $('status').classList.toggle('wrong', isWrong === true);
}

// The view

function look(index) {
  shown = index;
  scrubber.value = index;
  paint();
}

/** From noise to samples in three seconds. */
function play() {
  const start = performance.now();
  playing = start;
  const next = (now) => {
    if (playing !== start) return;
    const index = Math.min(frames.length - 1, Math.floor(((now - start) / 3000) * frames.length));
    look(Math.max(0, index));
    if (index < frames.length - 1) requestAnimationFrame(next);
  };
  requestAnimationFrame(next);
}

let painting = false;
function paint() {
  if (painting) return;
  painting = true;
  requestAnimationFrame(() => {
    painting = false;
    const size = Math.round(canvas.clientWidth * Math.min(devicePixelRatio, 2));
    if (canvas.width !== size) canvas.width = canvas.height = size;
    const frame = frames[shown];
    if (isPlane()) {
      const options = {
        density: field.density.checked,
        score: field.score.checked,
        paths: field.paths.checked,
      };
      const reach = modes.dragging ? modes.reach : undefined;
      modes.reach = drawPlane(canvas, modes.mixture, frames, shown, { ...options, reach });
      $('handles').hidden = frames.length > 0 && shown < frames.length - 1;
      modes.place(modes.reach);
    } else if (frame) drawPictures(canvas, frame.bytes);
    else canvas.getContext('2d').clearRect(0, 0, size, size);
    const last = frames.length - 1;
    $('step').value = frame ? (shown === last && result ? 'samples' : `step ${frame.step}`) : '';
    scrubber.setAttribute('aria-valuetext', $('step').value);
    canvas.setAttribute('aria-label', describe(frame));
    facts();
  });
}

function describe(frame) {
  if (!frame) return isPlane() ? 'The density of the mixture' : 'Nothing is drawn yet';
  const count = isPlane() ? frame.points.length / 2 : frame.bytes.length / side ** 2;
  return `${count} ${isPlane() ? 'points' : 'digits'}, ${$('step').value}`;
}

function facts() {
  const frame = frames[shown];
  const rows = [];
  if (result) {
    rows.push(['Evaluations a sample', String(result.runs)], ['Time', `${result.seconds.toFixed(3)} s`]);
    const { predictor, solver, corrector, grid } = result.options;
    rows.push([
      'Method',
      [predictor ?? solver, corrector].filter((name) => name && name !== 'none').join(' + '),
    ]);
    if (grid) rows.push(['Grid', String(grid)]);
  }
  if (frame)
    rows.push(['Noise sigma / alpha', frame.alpha > 0 ? tidy(frame.sigma / frame.alpha) : 'no signal']);
  if (frame && isPlane()) rows.push(['Shares of the modes', shares(frame)]);
  $('facts').replaceChildren(
    ...rows.map(([name, value]) => {
      const row = document.createElement('div');
      for (const [tag, text] of [
        ['dt', name],
        ['dd', value],
      ])
        row.append(Object.assign(document.createElement(tag), { textContent: text }));
      return row;
    }),
  );
}

const tidy = (value) => String(Number(value.toPrecision(3)));

/** Of the points and, in brackets, of the mixture, in percent. */
function shares(frame) {
  const law = lawAt(modes.mixture, frame);
  const found = modes.mixture.weights.map(() => 0);
  for (let i = 0; i < frame.points.length; i += 2) found[law.modeOf(frame.points[i], frame.points[i + 1])]++;
  const percent = (share) => (100 * share).toFixed(0);
  return found
    .map((n, k) => `${percent((2 * n) / frame.points.length)} (${percent(modes.mixture.weights[k])})`)
    .join(', ');
}

function choosePicture() {
  const bytes = frames.at(-1)?.bytes;
  if (!bytes) return;
  const count = bytes.length / side ** 2;
  field.picture.max = count;
  const chosen = Math.max(1, Math.min(count, Number(field.picture.value) || 1));
  mask.show(bytes.slice((chosen - 1) * side ** 2, chosen * side ** 2));
}

// What one does

form.addEventListener('submit', (event) => {
  event.preventDefault();
  void draw();
});
// The choice of the model lies outside of the form, and its events do not reach that.
document.addEventListener('input', ({ target }) => {
  if (target.form !== form) return;
  arrange();
  if (['density', 'score', 'paths'].includes(target.name)) paint();
});
document.addEventListener('change', ({ target }) => {
  if (target.form !== form) return;
  const { name } = target;
  if (name === 'model') changeModel();
  else if (name === 'preset') modes.set(presets[field.preset.value]);
  else if (name === 'picture') choosePicture();
  else if (name === 'hide') mask.hide(field.hide.value);
  else if (['density', 'score', 'paths', 'share', 'spread'].includes(name)) return;
  else if (isPlane() && form.checkValidity()) drawSoon();
});
$('stop').addEventListener('click', () => under?.abort());
$('play').addEventListener('click', play);
$('complete').addEventListener('click', () => {
  const pixels = btoa(String.fromCharCode(...mask.picture));
  void draw({ known: { pixels, mask: mask.known } });
});
scrubber.addEventListener('input', () => {
  playing = undefined;
  look(Number(scrubber.value));
});
canvas.addEventListener('click', ({ offsetX, offsetY }) => {
  const bytes = frames.at(-1)?.bytes;
  if (!bytes || isPlane()) return;
  const i = pictureAt(
    canvas,
    bytes.length / side ** 2,
    offsetX / canvas.clientWidth,
    offsetY / canvas.clientWidth,
  );
  if (i === undefined) return;
  field.picture.value = i + 1;
  choosePicture();
});
new ResizeObserver(paint).observe(canvas);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
  paint();
  mask.draw();
});

const names = await (await fetch('names')).json();
others = names.others;
addChoices(field.solver, names.predictors, 'On a grid');
addChoices(field.solver, names.others, 'Of its own steps');
field.solver.value = kept.mixture.solver;
addChoices(field.grid, names.grids);
addChoices(field.corrector, names.correctors);
field.corrector.value = 'none';
addChoices(field.sde, names.sdes);
addChoices(field.class, ['each', ...Array.from({ length: 10 }, (_, k) => String(k))]);
addChoices(field.preset, Object.keys(presets));
arrange();
void draw();
