import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { Command } from 'commander';
import { fastsdeProgram } from '../../src/cli/program.js';
import { recipesOf } from '../../src/cli/shared/help.js';
import { standardWays } from '../../src/cli/shared/solver.js';
import { planOf } from '../../src/sampling/sample.js';
import { GaussianMixture } from '../../src/score/mixture/mixture.js';
import { mixtureModel } from '../../src/score/mixture/model.js';
import { predictorNames } from '../../src/solvers/names.js';
import { vp } from '../../src/sde/vp.js';
import { main, start } from '../support/command-line.js';

/** The help of a command, or of the program without a name, at a width; undefined is no terminal. */
function helpAt(width: number | undefined, name?: string): string {
  const program = fastsdeProgram();
  const command = name === undefined ? program : program.commands.find((sub) => sub.name() === name)!;
  command.configureOutput({ getOutHelpWidth: () => width as number, getOutHasColors: () => false });
  return command.helpInformation();
}

const names = fastsdeProgram().commands.map((command) => command.name());

for (const name of [undefined, ...names]) {
  const title = name ?? 'the program';

  test(`the help of ${title} fits terminals of any width, and says the same on all of them`, (t) => {
    const words = (text: string): string => text.replaceAll(/[\s#]+/g, '');
    for (const width of [24, 40, 80, 100]) {
      const lines = helpAt(width, name).split('\n');
      for (const line of lines) t.true(line.length <= width, `${width}: ${line}`);
      t.is(words(lines.join('')), words(helpAt(1000, name)));
    }
    t.is(helpAt(undefined, name), helpAt(80, name));
    t.is(helpAt(0, name), helpAt(24, name));
  });

  test(`the help of ${title} tells every option once, with a group and no control sequence`, (t) => {
    const program = fastsdeProgram();
    const command = name === undefined ? program : program.commands.find((sub) => sub.name() === name)!;
    const help = helpAt(1000, name);
    for (const { flags } of command.options)
      t.is(help.split('\n').filter((line) => line.startsWith(`  ${flags}  `)).length, 1, flags);
    t.is(help.match(/^ {2}-h, --help /gm)?.length, 1);
    t.notRegex(help, /\x1b/);
  });
}

for (const name of names) {
  test(`the recipes of ${name} are three lines that parse, before all else`, (t) => {
    const program = fastsdeProgram();
    const command = program.commands.find((sub) => sub.name() === name)!;
    const recipes = recipesOf(command);
    t.is(recipes.length, 3);
    const help = helpAt(80, name);
    t.true(help.indexOf('Recipes:') < help.search(/^(Arguments|[\w ]*[Oo]ptions):$/m));
    for (const [line, does] of recipes) {
      t.regex(help, new RegExp(`^  ${escaped(line)} +# ${escaped(does)}$`, 'm'), line);
      const called = parsed(argumentsOf(line));
      t.is(called, name, line);
    }
  });
}

const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** The arguments of fastsde in a line of a shell. */
function argumentsOf(line: string): string[] {
  const [, args = ''] = /(?:^|[ (])fastsde ([^)>]*)/.exec(line)!;
  return (args.match(/'[^']*'|\S+/g) ?? []).map((word) => word.replaceAll("'", ''));
}

/** The name of the command that takes these arguments. */
function parsed(args: readonly string[]): string {
  const program = fastsdeProgram();
  let called = '';
  for (const command of program.commands)
    command.exitOverride().action(function (this: Command) {
      called = this.name();
    });
  program.exitOverride().parse(args, { from: 'user' });
  return called;
}

test('the program tells every command in a group, with a line of it', (t) => {
  const help = helpAt(1000);
  for (const command of fastsdeProgram().commands) {
    t.not(command.helpGroup(), '', command.name());
    const [recipe] = recipesOf(command);
    t.true(help.includes(`  ${command.name()}`) && help.includes(`${recipe![0]}\n`), command.name());
  }
});

test('the steps and grids that the help calls the defaults of methods are those', (t) => {
  const law = new GaussianMixture({ weights: [1], means: [Array<number>(64).fill(0)], covariances: [1] });
  const model = mixtureModel(law, vp());
  const told = new Map<string, string>();
  for (const [way, methods] of standardWays)
    for (const method of methods.replace(/ \(.*\)/, '').split(', ')) {
      t.false(told.has(method), method);
      told.set(method, way);
    }
  for (const name of [...predictorNames, 'predictor-corrector'] as const) {
    const { steps, options } = planOf(model, { solver: name });
    t.is(told.get(name), `${steps} ${String(options['grid'])}`, name);
  }
});

const here = process.cwd();
const coloured = /\x1b\[\d+m/;

for (const [variables, isColoured] of [
  [[], false],
  [['FORCE_COLOR=1'], true],
  [['NO_COLOR=1'], false],
] as const) {
  test(`what is piped has ${isColoured ? 'colours' : 'none'} with ${variables.join() || 'neither variable'}`, async (t) => {
    const run = (...args: string[]) =>
      start(here, 'env', [
        '-u',
        'NO_COLOR',
        '-u',
        'FORCE_COLOR',
        ...variables,
        process.execPath,
        main,
        ...args,
      ]);
    const help = await run('merge', '--help');
    t.is(coloured.test(help.stdout), isColoured);
    const refused = await run('merge', 'nowhere');
    t.is(refused.code, 1);
    t.is(coloured.test(refused.stderr), isColoured, refused.stderr);
  });
}

// util-linux gives a program a terminal.
const onTerminal = spawnSync('script', ['--version']).status === 0 ? test : test.skip;

onTerminal('on a terminal a run ends by what to try next; with --quiet or --json it does not', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'fastsde-next-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const mixture = '{"weights":[1],"means":[[0,0]],"covariances":[1]}';
  await writeFile(join(folder, 'm.json'), mixture);
  const shown = async (variables: string, ...args: string[]): Promise<string> => {
    const command = ['sample', '--mixture', 'm.json', '--count', '4', '--steps', '2', ...args];
    // Nothing of the surroundings: Node shows no colours where CI is set.
    const line = `stty columns 50; env -i PATH="$PATH" ${variables} ${[process.execPath, main, ...command].join(' ')}`;
    return (await start(folder, 'script', ['-qec', line, '/dev/null'])).stdout;
  };
  const plain = await shown('TERM=xterm');
  t.regex(plain, /samples\.png\r\n/);
  t.regex(plain, /try: the same with --trajectory 50/);
  t.regex(plain, coloured);
  t.notRegex(await shown('NO_COLOR=1 TERM=xterm'), coloured);
  for (const args of [['--quiet'], ['--json'], ['--output', 'x.npy']])
    t.notRegex(await shown('TERM=xterm', ...args), /try:/, args.join());
  t.notRegex(await shown('TERM=dumb'), /\x1b|try:/);
  const piped = await start(folder, process.execPath, [
    main,
    'sample',
    '--mixture',
    'm.json',
    '--steps',
    '2',
  ]);
  t.notRegex(piped.stderr, /try:/);
});
