import test from 'ava';
import { startPreviewService } from '../support/example.js';
import { openPage } from './chromium.js';

test('the page shows digits on their way, stops, and says what is wrong', async (t) => {
  const { example, url } = await startPreviewService();
  const page = await openPage(800, 1000);
  t.teardown(async () => {
    await page.close();
    example.process.kill('SIGTERM');
    await example.ended;
  });
  const status = () => page.evaluate<string>("document.querySelector('[role=status]').textContent");
  const draw = async (fields: Record<string, number>) => {
    for (const [name, value] of Object.entries(fields))
      await page.evaluate(`document.forms[0].elements.${name}.value = ${value}`);
    await page.evaluate("document.querySelector('button').click()");
  };
  await page.goto(url);
  t.is(await page.evaluate('document.title'), 'fastsde: digits on their way');
  await page.evaluate(`{
    window.steps = [];
    const image = document.querySelector('img');
    image.addEventListener('load', () => steps.push(image.alt));
  }`);

  await draw({ count: 4, steps: 20 });
  await page.until("document.querySelector('[role=status]').textContent.startsWith('Done')");
  t.regex(await status(), /20 evaluations/);
  const steps = await page.evaluate<string[]>('steps');
  t.true(steps.length > 2);
  t.is(steps.at(-1), 'Samples at step 20 of 20');
  const shown =
    "(({ hidden, naturalWidth, naturalHeight }) => [hidden, naturalWidth, naturalHeight])(document.querySelector('img'))";
  t.deepEqual(await page.evaluate(shown), [false, 510, 510]);
  t.is(await page.evaluate("document.querySelector('progress').value"), 1);

  // Two engines: a third request is answered only if the two that were stopped and left are no longer drawn.
  await draw({ count: 64, steps: 1000 });
  await page.until("document.querySelector('[role=status]').textContent.startsWith('Step')");
  await page.evaluate("document.querySelector('#stop').click()");
  t.is(await status(), 'Stopped');
  await draw({ count: 64, steps: 1000 });
  await page.until("document.querySelector('[role=status]').textContent.startsWith('Step')");
  await page.goto(`${url}?again`);
  await draw({ count: 1, steps: 2 });
  await page.until("document.querySelector('[role=status]').textContent.startsWith('Done')");
  const health = (await (await fetch(`${url}health`)).json()) as object;
  t.deepEqual(health, { waiting: 0 });

  await page.evaluate('document.forms[0].noValidate = true');
  await draw({ count: 1000 });
  await page.until("document.querySelector('[role=status]').textContent.startsWith('The server')");
  t.regex(await status(), /refused/);
});
