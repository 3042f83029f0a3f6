import { PassThrough } from 'node:stream';
import test from 'ava';
import { describeProgress, TrainingLine } from '../../src/cli/train/progress.js';
import { ProgressBar } from '../../src/io/progress.js';
import type { TrainProgress } from '../../src/training/results.js';

/** A terminal of so many columns, and what was written to it. */
function terminal(columns: number): { stream: NodeJS.WriteStream; written: () => string } {
  const stream = Object.assign(new PassThrough({ encoding: 'utf8' }), { isTTY: true, columns });
  return { stream: stream as unknown as NodeJS.WriteStream, written: () => String(stream.read() ?? '') };
}

/** The lines without control sequences. */
const plain = (text: string): string[] =>
  text.split('\r').map((line) => line.replaceAll(/\x1b\[\d*[mK]/g, ''));

test('a progress bar is narrower than its terminal, and drops what has no room', (t) => {
  const shown = (columns: number): string => {
    const { stream, written } = terminal(columns);
    new ProgressBar('Sampling', 'sample', stream).update(0.5, 64, 'step 20/40');
    return plain(written()).at(-1)!;
  };
  for (const columns of [1, 5, 10, 20, 30, 40, 60, 80, 120, 200]) t.true(shown(columns).length < columns, shown(columns)); // prettier-ignore
  t.regex(shown(120), /^Sampling {2}━{12}─{12} {3}50 % {2}step 20\/40 {2}\S+ samples\/s {2}\d:\d\d left$/);
  t.regex(shown(40), /Sampling .*50 % .*left$/);
  t.regex(shown(10), /^ 50 %$/);
});

test('a terminal of unknown width has 80 columns', (t) => {
  const { stream, written } = terminal(0);
  new ProgressBar('Sampling', 'sample', stream).update(0.5, 64, 'step 20/40');
  const line = plain(written()).at(-1)!;
  t.true(line.length < 80 && line.includes('step 20/40'), line);
});

const progress: TrainProgress = {
  ...{ step: 100, steps: 2500, loss: 0.123456, losses: [], gradientNorm: 1, learningRate: 1e-3 },
  ...{ imagesPerSecond: 1000, remaining: 61 },
} as unknown as TrainProgress;

test('the line of a training run is cut where its terminal ends', (t) => {
  const { stream, written } = terminal(30);
  const line = new TrainingLine(stream);
  line.update(progress);
  t.is(plain(written()).at(-1), describeProgress(progress).slice(0, 29));
  line.now('Drawing samples, of which there are many');
  t.is(plain(written()).at(-1)!.length, 29);
});

test.serial('a terminal that knows no control sequences gets one line, as a pipe does', (t) => {
  const before = process.env['TERM'];
  process.env['TERM'] = 'dumb';
  t.teardown(() => {
    if (before === undefined) delete process.env['TERM'];
    else process.env['TERM'] = before;
  });
  const { stream, written } = terminal(80);
  const bar = new ProgressBar('Sampling', 'sample', stream);
  bar.update(0, 64);
  bar.update(0.5, 64);
  bar.clear();
  t.is(written(), 'Sampling 64 samples\n');
});
