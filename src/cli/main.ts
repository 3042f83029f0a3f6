#!/usr/bin/env node
import { Command } from 'commander';
import { averageCommand } from './commands/average.js';
import { colorizeCommand } from './commands/colorize.js';
import { compareCommand } from './commands/compare.js';
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
import { fastsde } from './shared/package.js';
import { outliveClosedPipes, tell } from './shared/terminal.js';

// Commands load what they need when they run, so that help and mistakes are answered at once.
const program = new Command('fastsde')
  .description('Score-based generative models through stochastic differential equations')
  .version(fastsde.version, '-V, --version', 'print the version')
  .addCommand(sampleCommand())
  .addCommand(inpaintCommand())
  .addCommand(colorizeCommand())
  .addCommand(restoreCommand())
  .addCommand(likelihoodCommand())
  .addCommand(encodeCommand())
  .addCommand(decodeCommand())
  .addCommand(interpolateCommand())
  .addCommand(trainCommand())
  .addCommand(averageCommand())
  .addCommand(mergeCommand())
  .addCommand(submitCommand())
  .addCommand(workerCommand())
  .addCommand(evaluateCommand())
  .addCommand(gridCommand())
  .addCommand(compareCommand())
  .addCommand(gradCommand())
  .addCommand(inspectCommand())
  .addCommand(infoCommand());

for (const command of [program, ...program.commands])
  command.configureOutput({
    writeErr(text) {
      tell(text.trimEnd());
    },
  });
outliveClosedPipes();
await program.parseAsync();
