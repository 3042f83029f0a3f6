import { Command, type Option } from 'commander';
import { addRecipes, type Entry } from '../shared/help.js';
import { run } from '../shared/run.js';
import { addRestorationOptions, type RestorationFlags } from './flags.js';
import type { Measuring } from './measured.js';

/** A kind of restoration as the command line has it: `fastsde <name>` draws by it, and so do the workers of a queue. */
export interface RestorationKind extends Measuring {
  readonly name: string;
  readonly summary: string;
  readonly description: string;
  /** Flags that say what is measured. */
  readonly options: () => readonly Option[];
  readonly recipes: readonly Entry[];
  /** Flags by the library's names of what they give. */
  readonly flagNames?: Readonly<Record<string, string>>;
}

/** The command that draws by a restoration. */
export function restorationCommand(restoration: RestorationKind): Command {
  const { name, summary, description, options, recipes, flagNames } = restoration;
  const command = new Command(name).summary(summary).description(description);
  addRestorationOptions(command, options());
  return addRecipes(command, recipes).action((model: string | undefined, flags: RestorationFlags) =>
    run(async (signal) => {
      const { restoreTo } = await import('./draw.js');
      await restoreTo(restoration, model, flags, signal);
    }, flagNames),
  );
}
