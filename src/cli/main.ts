#!/usr/bin/env node
import { fastsdeProgram } from './program.js';
import { outliveClosedPipes } from './shared/terminal.js';

outliveClosedPipes();
await fastsdeProgram().parseAsync();
