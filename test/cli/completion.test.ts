import { execFile, spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { bashScript } from '../../src/cli/completion/bash.js';
import { fishScript } from '../../src/cli/completion/fish.js';
import { shellCommands } from '../../src/cli/completion/words.js';
import { zshScript } from '../../src/cli/completion/zsh.js';
import { fastsdeProgram } from '../../src/cli/program.js';
import { namedData } from '../../src/cli/shared/data.js';
import { toys } from '../../src/data/toys.js';
import { predictorNames } from '../../src/solvers/names.js';
import { labelNames } from '../../src/score/network/labels.js';

const commands = shellCommands(fastsdeProgram());
const folder = await mkdtemp(join(tmpdir(), 'fastsde-completion-'));
await mkdir(join(folder, 'digits'));
await writeFile(join(folder, 'my model.onnx'), '');
await writeFile(join(folder, 'script.bash'), bashScript(commands));
await writeFile(join(folder, 'script.zsh'), zshScript(commands));
await writeFile(join(folder, 'script.fish'), fishScript(commands));
test.after.always(() => rm(folder, { recursive: true }));

type Complete = (...words: string[]) => Promise<string[]>;

const output = async (shell: string, ...args: string[]): Promise<string> =>
  (await promisify(execFile)(shell, args, { cwd: folder })).stdout;

/** What a shell offers in the place of the last word. */
const shells: Readonly<Record<string, Complete>> = {
  async bash(...words) {
    const program = `source script.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _fastsde; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return lines(await output('bash', '--norc', '-c', program, 'bash', ...words));
  },
  // The builtins of the completion system say what they are given.
  async zsh(...words) {
    const program = `
      compdef() { :; }; compset() { current=\${current#*=}; }; _message() { :; }
      compadd() { shift; local w; for w in "$@"; do [[ $w == "$current"* ]] && print -r -- $w; done }
      _files() { local f; for f in $current*(N); do [[ $1 != -/ || -d $f ]] && print -r -- $f; done }
      _describe() { local list=\${@[-1]} w; for w in \${(P)list}; do [[ $w == "$current"* ]] && print -r -- \${w%%:*}; done }
      source script.zsh; words=("$@"); CURRENT=$#; _fastsde; true`;
    return lines(await output('zsh', '-f', '-c', program, 'zsh', ...words));
  },
  async fish(...words) {
    const line = words.map((word) => (/^[\w.=-]*$/.test(word) ? word : `'${word}'`)).join(' ');
    const found = await output('fish', '--no-config', '-c', 'source script.fish; complete -C $argv[1]', line);
    return lines(found).map((text) => text.replace(/\t.*/, ''));
  },
};

const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '');

test('data that have a name are all that there are', (t) => {
  t.deepEqual(namedData, ['mnist', ...Object.keys(toys)]);
});

for (const [shell, complete] of Object.entries(shells)) {
  const isHere = spawnSync(shell, ['--version']).status === 0;
  // Every machine that tests has bash.
  (isHere || shell === 'bash' ? test : test.skip)(
    `${shell} completes commands, flags, names and files`,
    async (t) => {
      t.deepEqual(
        await complete('fastsde', 'in'),
        sorted(['inpaint', 'inspect', 'interpolate', 'info'], await complete('fastsde', 'in')),
      );
      t.deepEqual(await complete('fastsde', 'sample', '--solver', 'dpmpp-2m'), ['dpmpp-2m', 'dpmpp-2m-sde']);
      const flags = await complete('fastsde', 'sample', '--cl');
      t.deepEqual([...flags].sort(), ['--class', '--class-input', '--classes', '--classifier', '--clip'].filter((flag) => flag.startsWith('--cl')).sort()); // prettier-ignore
      const solvers = await complete('fastsde', 'restore', '--count', '3', '--solver', '');
      t.true(predictorNames.filter((name) => name !== 'none').every((name) => solvers.includes(name)));
      t.deepEqual(
        await complete('fastsde', 'evaluate', '--split', ''),
        sorted(['train', 'test'], await complete('fastsde', 'evaluate', '--split', '')),
      );
      t.deepEqual(await complete('fastsde', 'sample', '--count', ''), []);
      const data = await complete('fastsde', 'train', '--data', '');
      t.true(['mnist', 'swiss-roll', 'digits', 'my model.onnx'].every((word) => data.some((found) => found.replaceAll('\\', '').replace(/\/$/, '') === word)), data.join()); // prettier-ignore
      const runs = await complete('fastsde', 'average', '');
      t.deepEqual(runs.map((found) => found.replace(/\/$/, '')), ['digits']); // prettier-ignore
      t.deepEqual(await complete('fastsde', 'completion', 'z'), ['zsh']);
      t.true((await complete('fastsde', 'submit', 'sample', '--mer')).includes('--merge'));
      t.true((await complete('fastsde', 'submit', 'sample', '--pred')).includes('--predictor'));
      const labels = await complete('fastsde', 'inspect', '--labels', '');
      t.deepEqual(labels.map((found) => found.replaceAll('\\', '')).sort(), [...labelNames].sort());
    },
  );
}

test('bash completes a value behind an equals sign, which is a word of its own there', async (t) => {
  t.deepEqual(await shells['bash']!('fastsde', 'sample', '--sde', '=', 'sub'), ['subvp']);
  t.true((await shells['bash']!('fastsde', 'sample', '--corrector', '=')).includes('langevin'));
});

function sorted(expected: readonly string[], found: readonly string[]): string[] {
  return [...expected].sort((a, b) => found.indexOf(a) - found.indexOf(b));
}
