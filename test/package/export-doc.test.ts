import { readFileSync } from 'node:fs';
import test from 'ava';
import { flagsOf } from '../support/convention.js';
import { labelRule } from '../../src/score/network/labels.js';

const guide = readFileSync('docs/export.md', 'utf8');

test('the commands of docs/export.md, and the flags of its table, are ones that the command line takes', (t) => {
  const commands = Array.from(guide.matchAll(/^fastsde sample \S+\.onnx(.*)$/gm), ([, flags]) => flags!);
  const rows = Array.from(guide.matchAll(/^\|[^`\n]*`(--[^`]*)`/gm), ([, flags]) => flags!);
  t.true(commands.length >= 15);
  t.true(rows.length >= 20);
  for (const text of [...commands, ...rows]) {
    const { labels } = flagsOf(text, '.');
    if (labels !== undefined) t.notThrows(() => labelRule(labels), text);
  }
});

test('every file that docs/export.md has a command for is written by its Python', (t) => {
  const written = new Set(
    Array.from(guide.matchAll(/(?:export|save)\([^"]*"(\S+\.onnx)"/g), ([, file]) => file!),
  );
  for (const [, file] of guide.matchAll(/^fastsde sample (\S+\.onnx)/gm)) t.true(written.has(file!), file);
});
