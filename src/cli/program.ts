import { Command } from 'commander';
import { averageCommand } from './commands/average.js';
import { colorizeCommand } from './commands/colorize.js';
import { compareCommand } from './commands/compare.js';
import { completionCommand } from './commands/completion.js';
import { decodeCommand } from './commands/decode.js';
import { encodeCommand } from './commands/encode.js';
import { evaluateCommand } from './commands/evaluate.js';
import { gradCommand } from './commands/grad.js';
import { gridCommand } from './commands/grid.js';
import { infoCommand } from './commands/info.js';
import { inpaintCommand } from './commands/inpaint.js';
import { inspectCommand } from './commands/inspect.js';
import { interpolateCommand } from './commands/interpolate.js';
import { likelihoodCommand } from './commands/likelihood.js';
import { mergeCommand } from './commands/merge.js';
import { restoreCommand } from './commands/restore.js';
import { sampleCommand } from './commands/sample.js';
import { submitCommand } from './commands/submit.js';
import { trainCommand } from './commands/train.js';
import { workerCommand } from './commands/worker.js';
import { addSection, layOutHelp, recipesOf } from './shared/help.js';
import { fastsde } from './shared/package.js';
import { tell } from './shared/terminal.js';

/** Commands by the headings of the help; they load what they need when they run, so that help and mistakes are answered at once. */
const groups: Readonly<Record<string, () => readonly Command[]>> = {
  'Draw samples:': () => [sampleCommand(), gridCommand(), compareCommand()],
  'Draw samples given something:': () => [inpaintCommand(), colorizeCommand(), restoreCommand()],
  'Densities and codes:': () => [likelihoodCommand(), encodeCommand(), decodeCommand(), interpolateCommand()],
  'Train and judge:': () => [trainCommand(), averageCommand(), evaluateCommand()],
  'Long runs:': () => [mergeCommand(), submitCommand(), workerCommand()],
  'Networks and this machine:': () => [inspectCommand(), gradCommand(), infoCommand(), completionCommand()],
};

/** The command line, ready to parse. */
export function fastsdeProgram(): Command {
  const program = new Command('fastsde')
    .description('Score-based generative models through stochastic differential equations')
    .usage('<command> [options]')
    .version(fastsde.version, '-V, --version', 'print the version');
  for (const [heading, commands] of Object.entries(groups))
    for (const command of commands()) program.addCommand(command.helpGroup(heading));
  addSection(program, 'More:', [
    ['fastsde <command> --help', 'its options, with the lines that are most wanted'],
    ['https://fastsde.github.io/fastsde/', 'the documentation'],
  ]);
  layOutHelp(program);
  for (const command of [program, ...program.commands])
    command
      .helpOption('-h, --help', 'print this')
      .showHelpAfterError(hintOf(command))
      .configureOutput({
        writeErr(text) {
          tell(text.trimEnd());
        },
      });
  return program;
}

/** What stands below a mistake in the arguments of a command. */
function hintOf(command: Command): string {
  const [recipe] = recipesOf(command);
  return recipe
    ? `For example: ${recipe[0]}\nAll options: fastsde ${command.name()} --help`
    : 'All commands: fastsde --help';
}
