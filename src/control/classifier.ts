import { grad } from '../autodiff/grad.js';
import { ModelError, OptionError } from '../errors.js';
import { readWholeModel, type Model, type TensorInfo } from '../onnx/file/model.js';
import { checkInteger, checkKnown, isRecord } from '../options.js';
import type { ScoreModel } from '../score/model.js';
import { describeModel } from '../score/network/description.js';
import {
  checkLoadOptions,
  openDerivative,
  openDerived,
  openLinearized,
  type LoadOptions,
} from '../score/network/load.js';
import { readMetadata } from '../score/network/metadata.js';
import { openedOnce, OnnxScoreModel } from '../score/network/model.js';
import { batchOf, nameSource, Network } from '../score/network/network.js';
import { inferRoles, refuseInputs, type Roles } from '../score/network/roles.js';
import { modelSource, type ModelFile } from '../io/path.js';
import { closable, type Closable } from '../closing.js';

/** A classifier of noisy data p(y | x_t), of which guidance needs the gradient of log p in x_t. */
export interface Classifier extends Partial<
  Pick<ScoreModel, 'shape' | 'sde' | 'ladder' | 'closedForm' | 'differentiate' | 'linearize'>
> {
  /** Number of classes. */
  readonly classes: number;
  /** Writes grad_x log p(y | x) of every row and its class into `output`, in the form of {@link ScoreModel.evaluate}. */
  readonly gradient: ScoreModel['evaluate'];
  /** Releases what it was loaded into. */
  close?(): Promise<void>;
}

/** How a classifier is loaded; as {@link LoadOptions}. */
export type ClassifierLoadOptions = Omit<
  LoadOptions,
  'parameterization' | 'sigmaData' | 'probe' | 'inputs' | 'scheduler'
>;

const known = Object.keys({
  ...{
    classes: 1,
    gradient: 1,
    shape: 1,
    sde: 1,
    ladder: 1,
    closedForm: 1,
    differentiate: 1,
    linearize: 1,
    close: 1,
  },
} satisfies Record<keyof Classifier, 1>);

const optionNames = Object.keys({
  ...{ sde: 1, constants: 1, labels: 1, shape: 1, dataRange: 1, trainedLevels: 1, ladder: 1 },
  ...{ classes: 1, names: 1, batch: 1, threads: 1, provider: 1, tf32: 1 },
} satisfies Record<keyof ClassifierLoadOptions, 1>);

/** The input of the derived network that takes the classes. */
const LABEL = 'guidance.class';

/** @throws OptionError for what is no classifier. */
export function checkClassifier(classifier: Classifier): Classifier {
  if (!isRecord(classifier) || typeof (classifier as Partial<Classifier>).gradient !== 'function') {
    const expected =
      '{ classes, gradient }, with gradient a function (x, levels, output, labels), or what loadClassifier resolves to';
    throw new OptionError('classifier', classifier, expected);
  }
  checkKnown(classifier, known, 'classifier');
  checkInteger('classifier.classes', classifier.classes, 1);
  return classifier;
}

/**
 * Loads a classifier of noisy data, with inputs x_t and its time and an output of logits [N, classes], from an ONNX file or the bytes
 * of one. Its gradient comes from the differentiated graph: one run of about three times the cost gives the logits too.
 *
 * What it was trained on comes from its metadata (`fastsde.*`, kind `classifier`) and from the options, which override it.
 *
 * @throws ModelError for a file that cannot be read, is no classifier, or has operators without a derivative; OptionError for an
 *   option that cannot be used; LoadError where ONNX Runtime or the provider cannot start.
 */
export async function loadClassifier(
  given: ModelFile,
  options: ClassifierLoadOptions = {},
): Promise<Classifier & Closable> {
  const source = modelSource('classifier', given);
  checkKnown(options, optionNames);
  checkLoadOptions(options);
  const name = typeof source === 'string' ? source : 'the classifier';
  try {
    return await open(name, await readWholeModel(source), options);
  } catch (cause) {
    throw nameSource(name, cause);
  }
}

async function open(
  name: string,
  file: Model,
  options: ClassifierLoadOptions,
): Promise<Classifier & Closable> {
  const metadata = readMetadata(file.metadata);
  if (metadata.parameterization !== undefined || metadata.kind === 'score') {
    throw new ModelError(
      'It is a score network, not a classifier of noisy data (fastsde.parameterization in its metadata).',
      {
        option: 'classifier',
      },
    );
  }
  const roles = inferRoles(file.inputs, file.outputs, { ...metadata.names, ...options.names });
  if (roles.class) {
    throw new ModelError(`Its input "${roles.class.name}" takes a class, which a classifier should tell.`, {
      option: 'classifier',
    });
  }
  refuseInputs(roles, 'a classifier');
  const classes = options.classes ?? metadata.classes ?? classesOf(roles.output);
  const { state, time, output } = roles;
  const derived = await grad(file, { of: output.name, wrt: state.name, labels: LABEL });
  const gradient: Roles = {
    state,
    time,
    class: { name: LABEL, type: 'int64', shape: ['N'] },
    output: { ...state, name: `grad.${state.name}` },
    inputs: [],
  };
  const own: LoadOptions = { ...options, classes, parameterization: 'score' };
  const description = describeModel(own, metadata, gradient);
  const batch = batchOf(state, options.batch);
  const session = await openDerived(derived, own);
  const network = new Network(name, session, gradient, description, batch);
  // The gradient in the place of a score: it is fed, bound and differentiated as one.
  const derivative = openedOnce(() => openDerivative(network, derived, description, own));
  const linearized = openedOnce(() => openLinearized(network, derived, description, own));
  const parts = { file: derived, network, metadata, description, report: undefined, derivative, linearized };
  const model = new OnnxScoreModel(parts);
  return {
    classes,
    shape: model.shape,
    sde: model.sde,
    ...(model.ladder && { ladder: model.ladder }),
    gradient: model.evaluate,
    differentiate: () => model.differentiate(),
    ...(model.linearize && { linearize: model.linearize }),
    ...closable(() => model.close()),
  };
}

function classesOf({ name, shape }: TensorInfo): number {
  const classes = shape?.[1];
  if (shape?.length === 2 && typeof classes === 'number') return classes;
  throw new ModelError(
    `The output "${name}" of a classifier is logits [N, classes], not [${shape?.join(', ') ?? '?'}]; give classes where its file leaves them open.`,
    { option: 'classifier' },
  );
}
