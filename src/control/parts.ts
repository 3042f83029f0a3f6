import { OptionError } from '../errors.js';
import { checkInteger } from '../options.js';
import { checkClassLabel, classesIn } from '../score/class-label.js';
import { commandsOf, deviceOf, setCommands } from '../score/commands.js';
import { conditionOf, sampleIn, withInputs } from '../score/inputs.js';
import { requireModel, type Inputs, type ScoreModel } from '../score/model.js';
import type { Level } from '../sde/level.js';
import { costAt } from '../solvers/counts.js';
import { checkClassifier, type Classifier } from './classifier.js';
import type { Combined, ScorePart } from './combine.js';
import { requireSameProcess } from './same-process.js';

/** What a guided score is made of. */
export interface Parts {
  /** What counts call the runs of the second part. */
  readonly name: string;
  readonly first: ScorePart;
  readonly second: ScorePart;
  /** The score model that the second part is; undefined for a gradient, which is added to the score as it is. */
  readonly other: ScoreModel | undefined;
  readonly classes: number | undefined;
  /** Samples that inputs have rows of. */
  readonly samples: number | undefined;
  /** Runs of the second part in one evaluation. */
  cost(level: Level): number;
  close?(): Promise<void>;
}

/** What stands for no class, or for no text. */
interface Unconditional {
  readonly nullClass?: number | undefined;
  readonly unconditional?: ScoreModel | undefined;
  readonly unconditionalInputs?: Inputs | undefined;
}

/** The model with its classes or inputs, and without. */
export function classifierFree(model: ScoreModel, options: Unconditional): Parts {
  const { unconditional } = options;
  requireCondition(model, options);
  const second = unconditional ?? withOthers(model, options.unconditionalInputs ?? {});
  const { classes } = model;
  const samples = samplesOf(model, second);
  return {
    name: 'unconditional',
    first: {
      ...membersOf(model),
      classes: passing(model, samples, classes === undefined ? undefined : 'own'),
    },
    second: { ...membersOf(second), classes: passing(second, samples, classWithout(second, options)) },
    other: second,
    classes,
    samples,
    cost: runsOf(second),
    ...(unconditional && { close: () => unconditional.close() }),
  };
}

/** The model with other inputs, of which errors speak by the name of this option. */
function withOthers(model: ScoreModel, inputs: Inputs): ScoreModel {
  try {
    return withInputs(model, inputs);
  } catch (cause) {
    if (!(cause instanceof OptionError)) throw cause;
    throw new OptionError(
      cause.option.replace(/^inputs/, 'unconditionalInputs'),
      cause.value,
      cause.expected,
    );
  }
}

/** @throws OptionError where there is nothing that guidance could emphasise, or two ways are given of being without it. */
function requireCondition(
  model: ScoreModel,
  { nullClass, unconditional, unconditionalInputs }: Unconditional,
): void {
  if (unconditional !== undefined) {
    const [stray] = Object.entries({ nullClass, unconditionalInputs }).filter(
      ([, value]) => value !== undefined,
    );
    if (stray) throw new OptionError(...stray, 'left out where an unconditional model is given');
    requireModel('unconditional', unconditional);
    requireSameProcess('unconditional', unconditional, model);
  }
  if (model.classes !== undefined) {
    if (nullClass === undefined) return;
    checkInteger('nullClass', nullClass, 0);
    checkClassLabel('nullClass', nullClass, model);
    return;
  }
  if (!model.inputs) {
    const expected = "'classifier' or 'autoguidance': this model takes no class label";
    throw new OptionError('kind', 'classifier-free', expected);
  }
  if (nullClass !== undefined)
    throw new OptionError('nullClass', nullClass, 'left out: the model takes no class');
  if (unconditional === undefined && unconditionalInputs === undefined) {
    const expected =
      'given: what the network is fed to be without its text, such as the embedding of the empty one ' +
      '(--unconditional-input NAME=FILE.npy)';
    throw new OptionError('unconditionalInputs', unconditionalInputs, expected);
  }
}

/** The class that the second part is given. */
function classWithout(
  second: ScoreModel,
  { nullClass = second.nullClass, unconditional, unconditionalInputs }: Unconditional,
): Passed {
  // What is led away from may differ by inputs alone, and have the class of the run.
  if (unconditionalInputs && second.classes !== undefined && nullClass === undefined) return 'own';
  return withoutClass(unconditional ? 'unconditional' : 'model', second, nullClass);
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
  const samples = model.inputs?.samples;
  return {
    name: 'classifier',
    // The score without a class, so that scale 1 is that of the class.
    first: { ...membersOf(model), classes: passing(model, samples, withoutClass('model', model)) },
    second: {
      evaluate: gradient,
      ...(closedForm && { closedForm }),
      ...(classifier.differentiate && { differentiate: () => classifier.differentiate!() }),
      ...(classifier.linearize && { linearize: () => classifier.linearize!() }),
      classes: passing({}, samples, 'own'),
    },
    other: undefined,
    classes,
    samples,
    cost: () => 1,
    close: async () => classifier.close?.(),
  };
}

/** What guides a model by a weaker one cannot be the model itself. */
export const ANOTHER_MODEL =
  'another, weaker model: away from itself a model is led nowhere, at twice the cost';

/** The model and a weaker one, both with the classes of the run where they take any. */
export function byModel(model: ScoreModel, guide: ScoreModel): Parts {
  requireModel('guide', guide);
  if (guide === model) throw new OptionError('guide', guide, ANOTHER_MODEL);
  if (guide.guidance) throw new OptionError('guide', guide, 'a model that is not guided itself');
  requireSameProcess('guide', guide, model);
  const { classes } = model;
  if (guide.classes !== classes) {
    const expected = classes === undefined ? 'absent' : `${classes}`;
    throw new OptionError('guide.classes', guide.classes, `${expected}, as that of the model`);
  }
  const samples = samplesOf(model, guide);
  // An unconditional model is guided without classes.
  const passed = classes === undefined ? undefined : 'own';
  return {
    name: 'guide',
    first: { ...membersOf(model), classes: passing(model, samples, passed) },
    second: { ...membersOf(guide), classes: passing(guide, samples, passed) },
    other: guide,
    classes,
    samples,
    cost: runsOf(guide),
    close: () => guide.close(),
  };
}

function membersOf(model: ScoreModel): Combined {
  const { closedForm } = model;
  // One of a caller's may be a method.
  const evaluate: ScoreModel['evaluate'] = (...args) => model.evaluate(...args);
  const commands = commandsOf(model);
  if (commands) setCommands(evaluate, commands, deviceOf(model));
  return {
    evaluate,
    ...(closedForm && { closedForm }),
    ...(model.differentiate && { differentiate: () => model.differentiate!() }),
    ...(model.linearize && { linearize: () => model.linearize!() }),
  };
}

function runsOf(model: ScoreModel): Parts['cost'] {
  return (level) => Object.values(costAt(model, level)).reduce((sum, runs) => sum + runs, 0);
}

/** Samples that the inputs of either part have rows of. */
function samplesOf({ inputs }: ScoreModel, second: ScoreModel): number | undefined {
  const [one, two] = [inputs?.samples, second.inputs?.samples];
  if (one === undefined || two === undefined || one === two) return one ?? two;
  throw new OptionError(
    'unconditionalInputs',
    `${two} rows`,
    `of as many samples as those of the model, ${one}`,
  );
}

/** The class that a part is given: that of the run, the same for all rows, or none. */
type Passed = 'own' | number | undefined;

/** What a part is given for the conditions of rows: a class, and where it has inputs by sample, the samples. */
function passing(
  { inputs }: Pick<ScoreModel, 'inputs'>,
  samples: number | undefined,
  label: Passed,
): ScorePart['classes'] {
  if (inputs?.samples !== undefined) {
    const { samples } = inputs;
    return (conditions, rows) => {
      if (label === 'own') return given(conditions);
      return Int32Array.from({ length: rows }, (_, i) =>
        conditionOf(conditions ? sampleIn(conditions[i]!, samples) : i, label ?? 0, samples),
      );
    };
  }
  if (label === undefined) return () => undefined;
  if (label === 'own') return (conditions) => classesIn(given(conditions), samples);
  let same = new Int32Array(0);
  return (_, rows) => {
    if (same.length !== rows) same = new Int32Array(rows).fill(label);
    return same;
  };
}

/** The classes of a run. @throws OptionError where it has none. */
function given(labels: Int32Array | undefined): Int32Array {
  if (labels) return labels;
  throw new OptionError('classLabel', labels, 'a class for every sample, towards which the model is guided');
}

/**
 * The class with which a model has no class: none where it takes none or where it has a law of all classes too, as mixtures have, or
 * else the one that stands for none.
 */
function withoutClass(
  option: string,
  model: ScoreModel,
  nullClass: number | undefined = model.nullClass,
): Passed {
  if (model.classes === undefined || (nullClass === undefined && model.closedForm)) return undefined;
  if (nullClass !== undefined) return nullClass;
  if (option === 'model') {
    const expected =
      'the label of the model that stands for no class, which its file does not say (fastsde.null_class); or give a second network ' +
      'that takes no classes (unconditional), or a classifier';
    throw new OptionError('nullClass', nullClass, expected);
  }
  const expected =
    'a model that has a score without a class: one that takes no classes, or has a label for none ' +
    '(fastsde.null_class in its file; nullClass)';
  throw new OptionError(option, model, expected);
}
