// Writes docs/images/playground.png: the page of examples/playground in Chromium. After npx tsc -p tsconfig.json.
import { writeFile } from 'node:fs/promises';
import { openPage } from '../.test-build/test/browser/chromium.js';
import { startPlayground } from '../.test-build/test/support/example.js';

const { example, url } = await startPlayground();
const page = await openPage(1240, 800);
await page.emulate({ reducedMotion: true });
await page.goto(url);
await page.until("document.querySelector('#status').textContent.startsWith('Done')");
await page.evaluate(`{
  document.querySelector('#scrubber').value = 30;
  document.querySelector('#scrubber').dispatchEvent(new Event('input'));
}`);
await page.until("document.querySelector('#step').value === 'step 30'");
await page.evaluate('new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))');
await writeFile('docs/images/playground.png', await page.screenshot());
await page.close();
example.process.kill('SIGTERM');
