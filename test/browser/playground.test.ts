import test, { type ExecutionContext } from 'ava';
import { GaussianMixture } from '../../src/score/mixture/mixture.js';
import { startPlayground } from '../support/example.js';
import { openPage, type Page } from './chromium.js';

/** The playground, opened once its first run is done. */
async function playground(t: ExecutionContext, options: { calm?: boolean } = {}): Promise<Page> {
  const { example, url } = await startPlayground();
  const page = await openPage(1280, 900);
  t.teardown(async () => {
    await page.close();
    example.process.kill('SIGTERM');
    await example.ended;
  });
  await page.emulate({ reducedMotion: options.calm ?? true });
  await page.goto(url);
  await done(page);
  return page;
}

const status = (page: Page) => page.evaluate<string>("document.querySelector('#status').textContent");
const isSaid = (start: string) =>
  `document.querySelector('#status').textContent.startsWith(${JSON.stringify(start)})`;
const done = (page: Page) => page.until(`${isSaid('Done')} && !document.querySelector('#scrubber').disabled`);
const focus = (page: Page, selector: string) =>
  page.evaluate(`document.querySelector('${selector}').focus()`);
const fact = (page: Page, name: string) =>
  page.evaluate<string>(
    `[...document.querySelectorAll('dt')].find((term) => term.textContent === '${name}')?.nextSibling.textContent ?? ''`,
  );

test('points are drawn, counted, and looked back at by keyboard alone', async (t) => {
  const page = await playground(t);
  t.regex(await status(page), /^Done: 41 evaluations for each sample/);
  t.is(await fact(page, 'Evaluations a sample'), '41');
  t.is(await fact(page, 'Noise sigma / alpha'), '0');
  t.regex(await fact(page, 'Shares of the modes'), /^(7|8)\d \(80\), [12]\d \(20\)$/);

  // The ways of the keyboard: what has the focus shows it, and has a name.
  await page.evaluate('document.activeElement.blur()');
  const seen: string[] = [];
  for (;;) {
    await page.press('Tab');
    const { place, isShown, isNamed } = await page.evaluate<{
      place: string;
      isShown: boolean;
      isNamed: boolean;
    }>(`(() => {
      const element = document.activeElement;
      return {
        place: element.id || element.name || element.className || element.tagName,
        isShown: getComputedStyle(element).outlineStyle === 'solid',
        isNamed: Boolean(element.ariaLabel || element.textContent.trim() || element.labels?.length),
      };
    })()`);
    if (place === 'BODY') break;
    t.true(isShown && isNamed, place);
    seen.push(place);
    if (seen.length > 40) break;
  }
  t.deepEqual(seen, [
    ...['model', 'handle', 'handle', 'draw', 'play', 'scrubber'],
    ...['solver', 'steps', 'grid', 'corrector', 'count', 'seed', 'sde'],
    ...['density', 'score', 'paths', 'preset', 'share', 'spread', 'add-mode', 'remove-mode'],
  ]);

  await focus(page, '#scrubber');
  await page.press('Home');
  await page.until("document.querySelector('#step').value === 'step 0'");
  t.regex(await page.evaluate("document.querySelector('#canvas').ariaLabel"), /^200 points, step 0$/);
  t.is(await page.evaluate("document.querySelector('#scrubber').ariaValueText"), 'step 0');
  // VP: sigma / alpha at t = 1 is sqrt(exp(10.05) - 1).
  await page.until("document.querySelector('#facts').textContent.includes('152')");
  t.deepEqual(page.complaints, []);
});

test('modes are moved by arrow keys and by the mouse, and then drawn from', async (t) => {
  const page = await playground(t);
  await focus(page, '.handle');
  await page.press('ArrowRight', 'ArrowRight', 'ArrowUp');
  t.is(await page.evaluate("document.querySelector('#mode-title').textContent"), 'Mode 1, at -1.8 and -0.9');
  await page.until(isSaid('Drawing'));
  await done(page);

  const { left, top, width } = await page.evaluate<{ left: number; top: number; width: number }>(
    "document.querySelector('#canvas').getBoundingClientRect().toJSON()",
  );
  const [x, y] = await page.evaluate<[number, number]>(
    "['left', 'top'].map((side) => parseFloat(document.querySelectorAll('.handle')[1].style[side]) / 100)",
  );
  const middle = [left + width / 2, top + width / 2] as const;
  await page.drag([left + x * width, top + y * width], middle);
  t.regex(
    await page.evaluate("document.querySelectorAll('.handle')[1].ariaLabel"),
    /^Mode 2 at -?0\.0, -?0\.0, share 20 %$/,
  );
  await page.until(isSaid('Drawing'));
  await done(page);
  // The mixture that is drawn from is the one that is shown.
  await page.evaluate("document.querySelector('#remove-mode').click()");
  await page.until("document.querySelector('#facts').textContent.includes('100 (100)')");
  t.deepEqual(page.complaints, []);
});

test('density and score are those of the library', async (t) => {
  const page = await playground(t);
  const mixture = { weights: [0.7, 0.3], means: [[-1, 0], [2, 1]], spreads: [0.5, 0.2] }; // prettier-ignore
  const level = { alpha: 0.6, sigma: 0.8 };
  const { weights, means } = mixture;
  const law = new GaussianMixture({ weights, means, covariances: [0.25, 0.04] }).diffused(0.6, 0.8);
  const points = [0, 0, 1, -0.5, -2, 2];
  const [densities, scores] = await page.evaluate<
    [number[], number[]]
  >(`import('./law.js').then(({ lawAt }) => {
    const law = lawAt(${JSON.stringify(mixture)}, ${JSON.stringify(level)});
    const points = [[0, 0], [1, -0.5], [-2, 2]];
    return [points.map(([x, y]) => law.density(x, y)), points.flatMap(([x, y]) => law.score(x, y))];
  })`);
  const exact = law.logDensity(Float64Array.from(points));
  for (const [i, density] of densities.entries()) t.true(Math.abs(density / Math.exp(exact[i]!) - 1) < 1e-12);
  const field = law.score(Float64Array.from(points));
  for (const [i, score] of scores.entries()) t.true(Math.abs(score - field[i]!) < 1e-12);
});

test('digits come into sight, and are completed under a mask painted by keyboard', async (t) => {
  const page = await playground(t, { calm: false });
  await page.evaluate("document.querySelector('[value=digits]').click()");
  await page.until("document.querySelector('#step').value.startsWith('step')");
  await done(page);
  t.regex(await status(page), /^Done: 41 evaluations/);
  // The last steps may still be shown.
  await page.until("document.querySelector('#canvas').ariaLabel === '16 digits, samples'");
  t.true((await page.evaluate<number>("Number(document.querySelector('#scrubber').max)")) > 10);

  await page.evaluate(`{
    document.forms[0].elements.hide.value = 'nothing';
    document.forms[0].elements.hide.dispatchEvent(new Event('change', { bubbles: true }));
    document.forms[0].elements.count.value = '2';
    const fetched = window.fetch;
    window.fetch = (path, options) => ((window.asked = JSON.parse(options.body)), fetched(path, options));
  }`);
  await focus(page, '#mask');
  await page.press(' ', 'ArrowRight', ' ', 'ArrowUp');
  await focus(page, '#complete');
  await page.press('Enter');
  await page.until(isSaid('Done: 81'));
  const { known, ...asked } = await page.evaluate<{ known: { mask: string } }>('asked');
  t.deepEqual(asked, { model: 'digits', count: 2, seed: 0, steps: 40, sde: 'vp', show: 'x' });
  t.deepEqual(
    Array.from(known.mask).flatMap((value, i) => (value === '0' ? [i] : [])),
    [13 * 28 + 13, 13 * 28 + 14],
  );
  t.regex(await page.evaluate("document.querySelector('#canvas').ariaLabel"), /^2 digits/);
  t.deepEqual(page.complaints, []);
});

test('a run is stopped, and what is wrong is said as text', async (t) => {
  const page = await playground(t);
  await page.evaluate(`{
    document.querySelector('[value=classes]').click();
    document.forms[0].elements.count.value = 64;
    document.forms[0].elements.steps.value = 500;
    document.querySelector('#draw').click();
  }`);
  await page.until(isSaid('Step'));
  await page.evaluate("document.querySelector('#stop').click()");
  await page.until(isSaid('Stopped'));
  t.true(await page.evaluate("document.querySelector('#stop').disabled"));

  await page.evaluate(`{
    document.forms[0].noValidate = true;
    document.forms[0].reportValidity = () => true;
    document.forms[0].elements.steps.value = 501;
    document.querySelector('#draw').click();
  }`);
  await page.until(isSaid('steps must be a number from 1 to 500'));
  await page.evaluate(`{
    const message = '<img src=x onerror=alert(1)>';
    window.fetch = async () => new Response(JSON.stringify({ message }), { status: 400 });
    document.querySelector('#draw').click();
  }`);
  await page.until(isSaid('<img'));
  t.is(await page.evaluate("document.querySelectorAll('img').length"), 0);
});

test('the page fits a narrow window, and moves by itself only where that is wanted', async (t) => {
  const page = await playground(t, { calm: true });
  const looks = `window.steps = new Set();
    new MutationObserver(() => steps.add(document.querySelector('#step').value))
      .observe(document.querySelector('#step'), { childList: true, characterData: true, subtree: true });
    document.querySelector('#draw').click();`;
  await page.evaluate(`{ ${looks} }`);
  await page.until(isSaid('Drawing'));
  await done(page);
  t.deepEqual(await page.evaluate("[...steps].filter((step) => step.startsWith('step'))"), []);

  for (const scheme of ['light', 'dark'] as const) {
    await page.emulate({ width: 360, height: 740, scheme });
    await page.until('innerWidth === 360');
    t.true(
      await page.evaluate('document.documentElement.scrollWidth === document.documentElement.clientWidth'),
    );
  }
  await page.emulate({ reducedMotion: false });
  await page.evaluate("document.querySelector('#draw').click()");
  await page.until("[...steps].some((step) => step.startsWith('step'))");
  t.deepEqual(page.complaints, []);
});
