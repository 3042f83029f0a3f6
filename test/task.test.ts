import test from 'ava';
import { Task } from '../src/task.js';

test('a task is a promise: it can be caught, and ended with finally', async (t) => {
  const failing = new Task(() => Promise.reject(new RangeError('no')));
  t.is(await failing.catch((error: unknown) => (error as Error).message), 'no');
  let ended = 0;
  const done = new Task(() => Promise.resolve(7));
  t.is(
    await done.finally(() => {
      ended++;
    }),
    7,
  );
  t.is(ended, 1);
  t.is(await Promise.race([done, new Promise(() => undefined)]), 7);
});

test('an iterator sees what is reported, then the failure', async (t) => {
  const task = new Task<number, string>((emit) => {
    emit('first');
    return Promise.reject(new RangeError('no'));
  });
  const seen: string[] = [];
  await t.throwsAsync(
    async () => {
      for await (const item of task) seen.push(item);
    },
    { instanceOf: RangeError },
  );
  t.deepEqual(seen, ['first']);
});
