// Compares the places of ONNX Runtime's functions in native/onnx/functions.h with a public header, onnxruntime_c_api.h
// (Debian: libonnxruntime-dev), and keeps the names of its table, in order, as test/fixtures/onnxruntime-places.json, by
// which the tests check the places without a header.
//
//   node scripts/onnxruntime-places.mjs HEADER [--write]

import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const list = path.join(root, 'test', 'fixtures', 'onnxruntime-places.json');

/** The names of the functions in `struct OrtApi`, in the order of the table. */
function tableOf(header) {
  const code = header.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
  const [, body] = /^struct OrtApi \{([\s\S]*?)^\};/m.exec(code) ?? [];
  if (body === undefined) throw new Error('the header declares no struct OrtApi');
  return [
    ...body.matchAll(/ORT_API2_STATUS\((\w+)|ORT_CLASS_RELEASE\((\w+)|ORT_API_CALL\s*\*\s*(\w+)\)/g),
  ].map(([, status, release, other]) => status ?? other ?? `Release${release}`);
}

const [header, write] = process.argv.slice(2);
if (header === undefined) {
  console.error('usage: node scripts/onnxruntime-places.mjs HEADER [--write]');
  process.exit(1);
}
const table = tableOf(readFileSync(header, 'utf8'));
const declared = readFileSync(path.join(root, 'native', 'onnx', 'functions.h'), 'utf8');
const wrong = [...declared.matchAll(/FUNCTION\((\w+), (\d+),/g)]
  .filter(([, name, place]) => table[Number(place)] !== name)
  .map(([, name, place]) => `${name} is at ${table.indexOf(name)}, not ${place}`);
const kept = JSON.parse(readFileSync(list, 'utf8'));
// A table only grows: the header may be older or newer than the list.
const moved = table.filter((name, place) => place < kept.length && kept[place] !== name);
if (write === '--write' && moved.length === 0 && table.length > kept.length) {
  writeFileSync(list, `${JSON.stringify(table, null, 1)}\n`);
}
for (const line of [...wrong, ...moved.map((name) => `${name} has another place in ${list}`)])
  console.error(line);
console.log(`${table.length} functions, ${wrong.length + moved.length} differences`);
process.exit(wrong.length + moved.length === 0 ? 0 : 1);
