import { readFile } from 'node:fs/promises';
import test from 'ava';
import { sample } from '../../../src/sampling/sample.js';
import { loadModel, type LoadOptions } from '../../../src/score/network/load.js';
import { fixture } from '../../support/gaussian-image.js';

/** Made by scripts/conventions/dop853.py: where SciPy's DOP853 leads the ODE of a network's law in double precision. */
interface Case {
  readonly file: string;
  readonly options: LoadOptions;
  readonly epsilon: number;
  readonly start: readonly number[];
  readonly end: readonly number[];
}

const cases = JSON.parse(await readFile('test/fixtures/dop853.json', 'utf8')) as Case[];

for (const { file, options, epsilon, start, end } of cases) {
  test(`the ODE of ${file}.onnx ends where DOP853 ends`, async (t) => {
    const model = await loadModel(fixture(file), options);
    const { samples } = await sample(model, {
      solver: { name: 'rk45', rtol: 1e-6, atol: 1e-6, epsilon, denoise: 'none' },
      initial: Float32Array.from(start),
      count: 1,
    });
    await model.close();
    const largest = Math.max(...end.map(Math.abs));
    const error = Math.max(...end.map((value, i) => Math.abs(value - samples[i]!))) / largest;
    t.true(error < 1e-5, `${error}`);
    t.log(error.toExponential(1));
  });
}
