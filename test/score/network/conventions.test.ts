import { readdirSync } from 'node:fs';
import test from 'ava';
import { conventionErrors, readConvention } from '../../support/convention.js';

// scripts/conventions/fixtures.py writes them: PyTorch's scores and products and trajectories, the schedulers of diffusers.
const folder = 'test/fixtures/conventions';

for (const name of readdirSync(folder).filter((file) => file.endsWith('.onnx.json'))) {
  const convention = readConvention(`${folder}/${name}`);
  test(`${convention.file}: ${convention.flags ?? 'its metadata'}`, async (t) => {
    const { score, vjp, runs } = await conventionErrors(folder, convention);
    t.true(score < 1e-5, `score: ${score}`);
    t.true(vjp! < 1e-5, `vjp: ${vjp}`);
    t.true(runs.size > 0);
    for (const [what, error] of runs) t.true(error < 1e-5, `${what}: ${error}`);
  });
}
