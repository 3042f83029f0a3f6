import { readFileSync } from 'node:fs';
import test from 'ava';
import { digests } from '../support/bits.js';

test('every solver, SDE and kind of model draws the samples that it always drew', async (t) => {
  const expected = JSON.parse(readFileSync('test/fixtures/bits.json', 'utf8')) as Record<string, string>;
  t.deepEqual(await digests(), expected);
});
