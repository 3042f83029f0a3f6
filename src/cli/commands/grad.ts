import { Command, Option } from 'commander';
import { choice, toPath } from '../shared/arguments.js';
import { addRecipes } from '../shared/help.js';
import { run } from '../shared/run.js';
import type { GradFlags } from '../shared/differentiate.js';

/** `fastsde grad`: differentiates an ONNX model into another ONNX model. */
export function gradCommand(): Command {
  const command = new Command('grad')
    .summary('differentiate an ONNX model into another ONNX model')
    .description(
      'Makes an ONNX model of products with the Jacobian of another (J^T v, J v), of the gradient of one number per sample, or of a loss ' +
        'and the gradients of all parameters. Without --output nothing is written.',
    )
    .argument('<model>', 'the ONNX file')
    .addOption(
      choice(
        '--mode <mode>',
        'J^T v, J v, the gradient of one number per sample, or a loss and all its gradients',
        ['vjp', 'jvp', 'grad', 'train'],
        'vjp',
      ),
    )
    .option('--wrt <inputs...>', "inputs to differentiate with respect to (default: the model's first)")
    .option('--of <output>', "value to differentiate (default: the model's first output)")
    .option('--labels <input>', 'grad, train: class labels [N]; the value is then log p(label | x)')
    .addOption(choice('--reduce <how>', 'vjp: give the inner product with v per sample', ['dot']))
    .addOption(
      choice(
        '--loss <kind>',
        'train: the loss',
        ['mean-squared-error', 'cross-entropy', 'output'],
        'mean-squared-error',
      ),
    )
    .option('--weight <input>', 'train: name of a new input with a weight per sample')
    .option('--parameters <pattern>', 'train: regular expression for the names of the trained initializers')
    .addOption(new Option('-o, --output <file>', 'where to write the derived model').argParser(toPath))
    .option('--check', 'compare with finite differences and print the errors')
    .option('--json', 'print one JSON object');
  return addRecipes(command, [
    ['fastsde grad model.onnx --output vjp.onnx --check', 'J^T v, checked'],
    ['fastsde grad classifier.onnx --mode grad --labels y', 'd log p(y | x) / dx'],
    ['fastsde grad model.onnx --mode train --output t.onnx', 'to train it'],
  ]).action((file: string, flags: GradFlags) =>
    run(async () => {
      const { differentiate } = await import('../shared/differentiate.js');
      await differentiate(file, flags);
    }),
  );
}
