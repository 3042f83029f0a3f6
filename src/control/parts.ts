import { OptionError } from '../errors.js';
import { checkInteger } from '../options.js';
import { checkClassLabel } from '../score/class-label.js';
import { commandsOf, setCommands } from '../score/commands.js';
import type { ScoreModel } from '../score/model.js';
import type { Level } from '../sde/level.js';
import { costAt } from '../solvers/counts.js';
import { checkClassifier, type Classifier } from './classifier.js';
import type { Combined, ScorePart } from './combine.js';
import { requireModel, requireSameProcess } from './same-process.js';

/** What a guided score is made of. */
export interface Parts {
  /** What counts call the runs of the second part. */
  readonly name: string;
  readonly first: ScorePart;
  readonly second: ScorePart;
  /** The score model that the second part is; undefined for a gradient, which is added to the score as it is. */
  readonly other: ScoreModel | undefined;
  readonly classes: number | undefined;
  /** Runs of the second part in one evaluation. */
  cost(level: Level): number;
  close?(): Promise<void>;
}

/** The model with its classes, and without. */
export function classifierFree(
  model: ScoreModel,
  {
    nullClass,
    unconditional,
  }: { readonly nullClass?: number | undefined; readonly unconditional?: ScoreModel | undefined },
): Parts {
  const { classes } = model;
  if (classes === undefined) {
    throw new OptionError(
      'kind',
      'classifier-free',
      "'classifier' or 'autoguidance': this model takes no class label",
    );
  }
  const first = { ...membersOf(model), classes: given };
  const parts = { name: 'unconditional', first, classes };
  if (unconditional !== undefined) {
    if (nullClass !== undefined) {
      throw new OptionError('nullClass', nullClass, 'left out where an unconditional model is given');
    }
    requireModel('unconditional', unconditional);
    requireSameProcess('unconditional', unconditional, model);
    const second = { ...membersOf(unconditional), classes: withoutClass('unconditional', unconditional) };
    return {
      ...parts,
      second,
      other: unconditional,
      cost: runsOf(unconditional),
      close: () => unconditional.close(),
    };
  }
  if (nullClass !== undefined) {
    checkInteger('nullClass', nullClass, 0);
    checkClassLabel('nullClass', nullClass, model);
  }
  const second = { ...membersOf(model), classes: withoutClass('model', model, nullClass) };
  return { ...parts, second, other: model, cost: runsOf(model) };
}

/** The model without classes, and the gradient of a classifier. */
export function byClassifier(model: ScoreModel, classifier: Classifier): Parts {
  const { classes, gradient } = checkClassifier(classifier);
  requireSameProcess('classifier', classifier, model);
  if (model.classes !== undefined && model.classes !== classes) {
    throw new OptionError(
      'classifier.classes',
      classes,
      `${model.classes}, the number of classes of the model`,
    );
  }
  const { closedForm } = classifier;
  return {
    name: 'classifier',
    // The score without a class, so that scale 1 is that of the class.
    first: { ...membersOf(model), classes: withoutClass('model', model) },
    second: {
      evaluate: gradient,
      ...(closedForm && { closedForm }),
      ...(classifier.differentiate && { differentiate: () => classifier.differentiate!() }),
      classes: given,
    },
    other: undefined,
    classes,
    cost: () => 1,
    close: async () => classifier.close?.(),
  };
}

/** The model and a weaker one, both with the classes of the run where they take any. */
export function byModel(model: ScoreModel, guide: ScoreModel): Parts {
  requireModel('guide', guide);
  if (guide.guidance) throw new OptionError('guide', guide, 'a model that is not guided itself');
  requireSameProcess('guide', guide, model);
  const { classes } = model;
  if (guide.classes !== classes) {
    const expected = classes === undefined ? 'absent' : `${classes}`;
    throw new OptionError('guide.classes', guide.classes, `${expected}, as that of the model`);
  }
  // An unconditional model is guided without classes.
  const passed: ScorePart['classes'] = classes === undefined ? () => undefined : given;
  return {
    name: 'guide',
    first: { ...membersOf(model), classes: passed },
    second: { ...membersOf(guide), classes: passed },
    other: guide,
    classes,
    cost: runsOf(guide),
    close: () => guide.close(),
  };
}

function membersOf(model: ScoreModel): Combined {
  const { closedForm } = model;
  // One of a caller's may be a method.
  const evaluate: ScoreModel['evaluate'] = (...args) => model.evaluate(...args);
  const commands = commandsOf(model);
  if (commands) setCommands(evaluate, commands);
  return {
    evaluate,
    ...(closedForm && { closedForm }),
    ...(model.differentiate && { differentiate: () => model.differentiate!() }),
  };
}

function runsOf(model: ScoreModel): Parts['cost'] {
  return (level) => Object.values(costAt(model, level)).reduce((sum, runs) => sum + runs, 0);
}

/** The classes of a run. @throws OptionError where it has none. */
function given(labels: Int32Array | undefined): Int32Array {
  if (labels) return labels;
  throw new OptionError('classLabel', labels, 'a class for every sample, towards which the model is guided');
}

/**
 * The labels with which a model has no class: none where it takes none or where it has a law of all classes too, as mixtures have, or
 * else those that stand for none.
 */
function withoutClass(
  option: string,
  model: ScoreModel,
  nullClass: number | undefined = model.nullClass,
): ScorePart['classes'] {
  if (model.classes === undefined || (nullClass === undefined && model.closedForm)) return () => undefined;
  if (nullClass === undefined) {
    const expected =
      'a model that has a score without a class: one that takes no classes, or has a label for none ' +
      '(fastsde.null_class in its file; nullClass, unconditional)';
    throw new OptionError(option, model, expected);
  }
  let none = new Int32Array(0);
  return (_, rows) => {
    if (none.length !== rows) none = new Int32Array(rows).fill(nullClass);
    return none;
  };
}
