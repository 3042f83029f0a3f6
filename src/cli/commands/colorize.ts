import type { Command } from 'commander';
import { OptionError } from '../../errors.js';
import { restorationCommand, type RestorationKind } from '../restoration/command.js';

/** Grey pictures, coloured. */
export const colorize: RestorationKind = {
  name: 'colorize',
  summary: 'colour grey pictures',
  description:
    'Draws colours given the grey of pictures, the mean of their three channels (Song et al. 2021, appendix I.3), by a score model of ' +
    'colour pictures. Pictures may be grey or in colour; of these only the grey is used.',
  options: () => [],
  recipes: [
    ['fastsde colorize cifar10 --data photos/ --resize', 'small photographs'],
    ['fastsde colorize model.onnx --data grey/ --resize --count 8', 'eight for each'],
    ['fastsde colorize model.onnx --data grey/ --output coloured/', 'files'],
  ],
  async measured(opened, flags, signal) {
    const { colorization } = await import('../../control/operators.js');
    const { measureOriginals } = await import('../restoration/measured.js');
    const { shape } = opened.model;
    if (shape[0] !== 3 || shape.length !== 3)
      throw new OptionError(
        'model',
        opened.options['model'] ?? opened.options['mixture'],
        `one of colour pictures: samples of [${shape.join(', ')}] have no colours to find`,
      );
    return measureOriginals(colorization(shape), opened, flags, signal);
  },
};

/** `fastsde colorize`. */
export function colorizeCommand(): Command {
  return restorationCommand(colorize);
}
