// Runs fastsde, by flags or metadata alone, on the networks that export.py wrote, and prints how far it is from what PyTorch, diffusers and
// k-diffusion make of them: the largest difference as a share of the largest value.
//
//   npx tsc -p tsconfig.json && node scripts/conventions/table.mjs FOLDER [--write]      # --write: into docs/export.md
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { conventionErrors, readConvention } from '../../.test-build/test/support/convention.js';

const LIMIT = 1e-5;
const [folder, write] = process.argv.slice(2);
const digits = (errors) => (errors.length === 0 ? '' : Math.max(...errors).toExponential(0));
const cell = (text) => text.replaceAll('|', '\\|');
const order = ({ number }) => Number.parseInt(number, 10) || 99;

const rows = readdirSync(folder)
  .filter((name) => name.endsWith('.onnx.json'))
  .map((name) => readConvention(`${folder}/${name}`))
  .sort((a, b) => order(a) - order(b) || a.number.localeCompare(b.number));
const lines = [
  '| # | network | where | flags | score | vjp | trajectory | steps |',
  '| --- | --- | --- | --- | --- | --- | --- | --- |',
];
const good = new Set();
const bad = new Set();
for (const row of rows) {
  const { number, network, where, flags, file, runs } = row;
  const name = Number.parseInt(number, 10) || number;
  try {
    const errors = await conventionErrors(folder, row);
    const of = (kind) => runs.filter((run) => run.kind === kind).map(({ what }) => errors.runs.get(what));
    const all = [[errors.score], errors.vjp === undefined ? [] : [errors.vjp], of('trajectory'), of('steps')];
    (all.flat().every((error) => error < LIMIT) ? good : bad).add(name);
    if (bad.has(name)) console.error(`${number} ${file}:`, errors);
    const text = [number, network, where, flags ? `\`${flags}\`` : 'its metadata', ...all.map(digits)];
    lines.push(`| ${text.map(cell).join(' | ')} |`);
  } catch (error) {
    bad.add(name);
    console.error(`${number} ${file} (${flags}): ${error.message}`);
  }
}
const within = [...good].filter((name) => !bad.has(name) && typeof name === 'number').length;
const table = `${lines.join('\n')}\n\n${within} of the 40 lie within ${LIMIT}.`;
console.log(table);
if (write === '--write') {
  const guide = new URL('../../docs/export.md', import.meta.url);
  const text = readFileSync(guide, 'utf8');
  writeFileSync(
    guide,
    text.replace(/<!-- table -->[^]*<!-- \/table -->/, () => `<!-- table -->\n\n${table}\n\n<!-- /table -->`),
  );
}
process.exitCode = bad.size > 0 ? 1 : 0;
