#!/usr/bin/env node
import { Command } from 'commander';
import { gradCommand } from './commands/grad.js';
import { infoCommand } from './commands/info.js';
import { inspectCommand } from './commands/inspect.js';
import { sampleCommand } from './commands/sample.js';
import { fastsde } from './package.js';

// Commands load what they need when they run, so that help and mistakes are answered at once.
const program = new Command('fastsde')
  .description('Score-based generative models through stochastic differential equations')
  .version(fastsde.version, '-V, --version', 'print the version')
  .addCommand(sampleCommand())
  .addCommand(gradCommand())
  .addCommand(inspectCommand())
  .addCommand(infoCommand());

await program.parseAsync();
