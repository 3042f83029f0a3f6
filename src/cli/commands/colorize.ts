import { Command } from 'commander';
import { OptionError } from '../../errors.js';
import { addRecipes } from '../shared/help.js';
import {
  addRestorationOptions,
  measureData,
  restoreTo,
  type RestorationFlags,
} from '../shared/restoration.js';
import { run } from '../shared/run.js';

/** `fastsde colorize`: grey pictures, coloured. */
export function colorizeCommand(): Command {
  const command = new Command('colorize')
    .summary('colour grey pictures')
    .description(
      'Draws colours given the grey of pictures, the mean of their three channels (Song et al. 2021, appendix I.3), by a score model of ' +
        'colour pictures. Pictures may be grey or in colour; of these only the grey is used.',
    );
  addRestorationOptions(command, []);
  return addRecipes(command, [
    ['fastsde colorize cifar10 --data photos/ --resize', 'small photographs'],
    ['fastsde colorize model.onnx --data grey/ --resize --count 8', 'eight for each'],
    ['fastsde colorize model.onnx --data grey/ --output coloured/', 'files'],
  ]).action((model: string | undefined, flags: RestorationFlags) =>
    run((signal) =>
      restoreTo(model, flags, signal, async (opened) => {
        const { colorization } = await import('../../control/operators.js');
        const { shape } = opened.model;
        if (shape[0] !== 3 || shape.length !== 3)
          throw new OptionError(
            'model',
            model ?? 'the embedded one',
            `one of colour pictures: samples of [${shape.join(', ')}] have no colours to find`,
          );
        return measureData(colorization(shape), flags, opened, signal);
      }),
    ),
  );
}
