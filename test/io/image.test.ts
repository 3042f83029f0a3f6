import test from 'ava';
import { FastsdeError } from '../../src/errors.js';
import {
  imageGrid,
  writeAnimation,
  writeImageGrid,
  type GridLayout,
  type ImageBatch,
} from '../../src/io/image.js';
import { writeScatter } from '../../src/io/scatter.js';

test('what is no batch of pictures, no layout and no path is named', async (t) => {
  const samples = new Float32Array(4);
  const batch = { samples, shape: [1, 1, 2, 2], range: [0, 1] as const };
  const refused = (value: unknown, layout?: unknown) =>
    t.throws(() => imageGrid(value as ImageBatch, layout as GridLayout), { instanceOf: FastsdeError })
      .message;
  t.regex(refused(undefined), /^batch must be \{ samples, shape, range \}/);
  t.regex(refused({ ...batch, shape: [9, 1, 2, 2] }), /^samples must be a Float32Array of \[9, 1, 2, 2\]/);
  t.regex(refused({ ...batch, range: undefined }), /^range must be two numbers/);
  t.regex(refused(batch, { columns: 0 }), /^layout\.columns must be an integer of at least 1/);
  t.regex(refused(batch, { cols: 2 }), /^layout\.cols must be absent/);
  await t.throwsAsync(writeImageGrid(undefined as never, batch), { message: /^path must be a path/ });
  await t.throwsAsync(writeAnimation('x.webp', []), {
    message: /^frames must be a list of at least one batch/,
  });
  await t.throwsAsync(writeScatter('x.png', { points: new Float32Array(3) }), {
    message: /^points must be a Float32Array/,
  });
});
