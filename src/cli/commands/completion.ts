import { Argument, Command } from 'commander';
import { oneOf } from '../shared/arguments.js';
import { addRecipes } from '../shared/help.js';
import { run } from '../shared/run.js';
import { print } from '../shared/terminal.js';

const shells = ['bash', 'zsh', 'fish'];

/** `fastsde completion`: a script by which a shell completes commands, options, names and files. */
export function completionCommand(): Command {
  const shell = new Argument('<shell>', shells.join(', '));
  shell.argChoices = shells;
  const command = new Command('completion')
    .summary('print a script by which a shell completes commands and options')
    .description(
      'Prints a script for a shell, by which it completes commands, options, names of methods, and files.',
    )
    .addArgument(shell.argParser((value: string) => oneOf(value, shells)));
  return addRecipes(command, [
    ['source <(fastsde completion bash)', 'in ~/.bashrc'],
    ['source <(fastsde completion zsh)', 'in ~/.zshrc, behind compinit'],
    ['fastsde completion fish > ~/.config/fish/completions/fastsde.fish', 'once'],
  ]).action((name: string) =>
    run(async () => {
      const { shellCommands } = await import('../completion/words.js');
      const commands = shellCommands(command.parent ?? command);
      print(await scriptFor(name, commands));
    }),
  );
}

async function scriptFor(
  shell: string,
  commands: Parameters<typeof import('../completion/bash.js').bashScript>[0],
): Promise<string> {
  if (shell === 'bash') return (await import('../completion/bash.js')).bashScript(commands);
  if (shell === 'zsh') return (await import('../completion/zsh.js')).zshScript(commands);
  return (await import('../completion/fish.js')).fishScript(commands);
}
