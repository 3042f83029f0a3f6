import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { CommanderError } from 'commander';
import { fastsdeProgram } from '../../src/cli/program.js';
import { main } from '../support/command-line.js';
import { blocksOf, filesOf, pages, proseOf, type Block } from '../support/documents.js';
import { commandsOf } from '../support/shell-commands.js';
import { compilePrograms, javascriptOf, type Program } from '../support/typed-programs.js';

/** Reasons that do not count, as a regular expression: `FASTSDE_DOCUMENTS='takes|MNIST'` runs blocks that CI leaves out. */
const wanted = process.env['FASTSDE_DOCUMENTS'];
const isRun = ({ omitted }: Block) =>
  omitted === undefined || (wanted !== undefined && new RegExp(wanted).test(omitted));

// What `--shard auto` reads.
Object.assign(process.env, {
  SLURM_ARRAY_TASK_ID: '0',
  SLURM_ARRAY_TASK_MIN: '0',
  SLURM_ARRAY_TASK_COUNT: '8',
});

const blocks = pages.flatMap(blocksOf);
const sources = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .map((file) => join('src', file))
  .filter((file) => file.endsWith('.ts') && readFileSync(file, 'utf8').includes('@example'));
const shell = blocks.filter(({ language }) => language === 'sh');
const programs = compilePrograms(
  [...blocks, ...sources.flatMap(blocksOf)].filter(({ language }) => /^[jt]s$/.test(language)),
);

test('every block is fenced, and says what language it is in', (t) => {
  for (const page of pages) t.notRegex(proseOf(page), /\n\n {4,}(?:fastsde|npx|npm|node|python3?) /, page);
  for (const { page, line, language } of blocks)
    t.true(['sh', 'js', 'ts', 'json', 'python', 'text', 'yaml'].includes(language), `${page}:${line}`);
});

test('every program has the types of the library', (t) => {
  t.true(sources.length >= 5);
  t.deepEqual(
    programs.flatMap(({ errors }) => errors),
    [],
  );
});

test('every command is one that can be given', (t) => {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: object };
  for (const { page, line, text } of shell) {
    for (const [command, ...args] of commandsOf(text)) {
      const where = `${page}:${line}: ${[command, ...args].join(' ')}`;
      const words = command === 'npx' ? args : [command!, ...args];
      if (words[0] === 'fastsde') t.is(refusal(words.slice(1)), undefined, where);
      if (words[0] === 'npm' && words[1] === 'run') t.true(words[2]! in scripts, where);
      const [program] = /^(node|python3?)$/.test(words[0]!) ? words.slice(1) : [];
      if (program !== undefined && !program.startsWith('-')) t.true(existsSync(sourceOf(program)), where);
    }
  }
});

test('blocks that are not run say why', (t) => {
  const reasons = new Map<string, number>();
  const runnable = blocks.filter(({ language }) => /^(sh|js|ts|python)$/.test(language));
  for (const { omitted } of runnable)
    if (omitted !== undefined) reasons.set(omitted, (reasons.get(omitted) ?? 0) + 1);
  const omitted = [...reasons.values()].reduce((sum, count) => sum + count, 0);
  t.log(`${omitted} of ${runnable.length} blocks are not run:`);
  for (const [reason, count] of [...reasons].sort(([, a], [, b]) => b - a)) t.log(`${count} ${reason}`);
  t.deepEqual(
    runnable.filter(({ language, omitted }) => language === 'python' && omitted === undefined),
    [],
  );
});

for (const page of pages) {
  const scripts = shell.filter((block) => block.page === page && isRun(block));
  const modules = programs.filter(({ block }) => block.page === page && isRun(block));
  if (scripts.length + modules.length > 0)
    test.serial(`the blocks of ${page} run`, async (t) => {
      if (wanted !== undefined) t.timeout(3_600_000);
      const folder = await folderOf(page);
      t.teardown(() => rm(folder, { recursive: true }));
      for (const block of scripts) await runScript(t, folder, block);
      if (modules.length > 0) await runModules(t, folder, modules);
    });
}

/** A folder with the files that a page has its reader save, and `fastsde` as npm would have installed it. */
async function folderOf(page: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'fastsde-document-'));
  for (const [name, content] of filesOf(page)) await writeFile(join(folder, name), content);
  await mkdir(join(folder, 'bin'));
  const command = `exec '${process.execPath}' '${main}' "$@"\n`;
  for (const [name, script] of [
    ['fastsde', command],
    ['npx', `[ "$1" = fastsde ] || exit 1\nshift\n${command}`],
  ] as const) {
    await writeFile(join(folder, 'bin', name), `#!/bin/sh\n${script}`);
    await chmod(join(folder, 'bin', name), 0o755);
  }
  return folder;
}

async function runScript(t: ExecutionContext, folder: string, { page, line, text }: Block): Promise<void> {
  const { code, output } = await run(folder, '/bin/bash', ['-ec', text]);
  t.is(code, 0, `${page}:${line}: ${output}`);
}

/** Programs of a page, one after the other in one process; what a comment says that they print is printed. */
async function runModules(t: ExecutionContext, folder: string, modules: readonly Program[]): Promise<void> {
  const files = modules.map(({ block }) => `./${block.line}.mjs`);
  for (const [i, program] of modules.entries())
    await writeFile(join(folder, files[i]!), javascriptOf(program));
  await writeFile(join(folder, 'all.mjs'), files.map((file) => `await import('${file}');\n`).join(''));
  const library = new URL('../support/fastsde-as-source.js', import.meta.url).href;
  const { code, output } = await run(folder, process.execPath, ['--import', library, 'all.mjs']);
  t.is(code, 0, `${modules[0]!.block.page}: ${output}`);
  for (const { block } of modules)
    for (const [, expected] of block.text.matchAll(/^console\.log\(.*\); \/\/ ([^.\n]+)$/gm))
      t.true(output.includes(expected!), `${block.page}:${block.line}: ${expected!}\n${output}`);
}

function run(
  folder: string,
  command: string,
  args: readonly string[],
): Promise<{ code: number | null; output: string }> {
  const env = { ...process.env, HOME: folder, PATH: join(folder, 'bin') + delimiter + process.env['PATH']! };
  const child = spawn(command, args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (output += String(data)));
  return new Promise((resolve) => {
    child.on('close', (code) => {
      resolve({ code, output });
    });
  });
}

/** What the command line has against these arguments; nothing runs. */
function refusal(args: readonly string[]): string | undefined {
  const program = fastsdeProgram();
  for (const command of [program, ...program.commands])
    command
      .exitOverride()
      .configureOutput({ writeErr: () => undefined, writeOut: () => undefined })
      .action(() => undefined);
  try {
    program.parse(args, { from: 'user' });
    return undefined;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? undefined : error.message;
  }
}

/** The source of a compiled program, or of one in the installed package. */
const sourceOf = (program: string) =>
  program.replace(/^\.test-build\/(.*)\.js$/, '$1.ts').replace(/^node_modules\/fastsde\//, '');
