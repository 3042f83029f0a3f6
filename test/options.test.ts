import test from 'ava';
import { OptionError } from '../src/errors.js';
import { checkKnown, defined } from '../src/options.js';

test('an option of an unknown name is refused, with the nearest that is known', (t) => {
  const check = (options: unknown, path?: string) => () => {
    checkKnown(options as object, ['count', 'steps', 'seed'], path);
  };
  t.notThrows(check({ count: 3, steps: undefined, cout: undefined }));
  const misspelt = t.throws(check({ cout: 3 }), { instanceOf: OptionError });
  t.like(misspelt, { option: 'cout', value: 3, expected: 'absent (did you mean count?)' });
  const foreign = t.throws(check({ temperature: 1 }, 'run'), { instanceOf: OptionError });
  t.is(foreign.message, 'run.temperature must be absent (known are count, steps, seed); got 1.');
  for (const value of [null, [1], 'count'])
    t.throws(check(value), { message: /^options must be an object; got / });
});

test('defined leaves out undefined entries, and no others', (t) => {
  t.deepEqual(defined({ a: 0, b: undefined, c: null, d: '' }), { a: 0, c: null, d: '' });
});
