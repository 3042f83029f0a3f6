import test from 'ava';
import { join } from 'node:path';
import { guide, type GuidanceOptions } from '../../src/control/guidance.js';
import { loadClassifier, type Classifier } from '../../src/control/classifier.js';
import { FastsdeError, OptionError } from '../../src/errors.js';
import { packageRoot } from '../../src/package-root.js';
import { sample } from '../../src/sampling/sample.js';
import { likelihood } from '../../src/likelihood/likelihood.js';
import { embeddedModel } from '../../src/score/network/embedded.js';
import { loadModel } from '../../src/score/network/load.js';
import { mixtureModel } from '../../src/score/mixture/model.js';
import type { ScoreModel } from '../../src/score/model.js';
import { ve } from '../../src/sde/ve.js';
import { vp } from '../../src/sde/vp.js';
import { gaussianModel } from '../support/gaussian.js';
import { fixture } from '../support/gaussian-image.js';
import { planar } from '../support/planar-mixture.js';

const unconditional = mixtureModel(planar, vp());
const conditional = mixtureModel(planar, vp(), { conditional: true });
const gradient = () => undefined;
const wrong = (value: unknown) => value as never;
const classifier: Classifier = { classes: 3, gradient };

const refused: [what: string, model: ScoreModel, options: unknown, option: string, expected: RegExp][] = [
  ['no model', wrong({}), { kind: 'autoguidance', guide: unconditional }, 'model', /a score model/],
  ['no options', conditional, undefined, 'options', /an object such as/],
  ['a misspelt kind', conditional, { kind: 'classifier-fre' }, 'kind', /did you mean classifier-free/],
  ['a misspelt option', conditional, { kind: 'classifier-free', scal: 2 }, 'scal', /did you mean scale/],
  ['an option of another kind', conditional, { kind: 'classifier-free', classifier }, 'classifier', /absent/],
  [
    'a scale that is none',
    conditional,
    { kind: 'classifier-free', scale: NaN },
    'scale',
    /a finite number of at least 0/,
  ],
  ['a negative scale', conditional, { kind: 'classifier-free', scale: -1 }, 'scale', /at least 0/],
  [
    'an interval that is reversed',
    conditional,
    { kind: 'classifier-free', interval: [2, 1] },
    'interval',
    /least < most/,
  ],
  [
    'an interval of three numbers',
    conditional,
    { kind: 'classifier-free', interval: [0, 1, 2] },
    'interval',
    /least, most/,
  ],
  [
    'a rescaling that is text',
    conditional,
    { kind: 'classifier-free', rescale: '0.5' },
    'rescale',
    /from 0 to 1/,
  ],
  [
    'an interval of one number',
    conditional,
    { kind: 'classifier-free', interval: [2] },
    'interval',
    /least < most/,
  ],
  [
    'an interval that is none',
    conditional,
    { kind: 'classifier-free', interval: [NaN, 1] },
    'interval',
    /least < most/,
  ],
  ['a share above 1', conditional, { kind: 'classifier-free', rescale: 1.5 }, 'rescale', /from 0 to 1/],
  ['no classes to leave out', unconditional, { kind: 'classifier-free' }, 'kind', /takes no class label/],
  [
    'a null class that the model does not know',
    conditional,
    { kind: 'classifier-free', nullClass: 3 },
    'nullClass',
    /from 0 to 2/,
  ],
  [
    'a null class and an unconditional model',
    conditional,
    { kind: 'classifier-free', nullClass: 0, unconditional },
    'nullClass',
    /left out where an unconditional model/,
  ],
  [
    'classes and no score without them',
    gaussianModel(vp(), { change: { classes: 3 } }),
    { kind: 'classifier-free' },
    'nullClass',
    /the label of the model that stands for no class, which its file does not say/,
  ],
  ['no classifier', unconditional, { kind: 'classifier' }, 'classifier', /\{ classes, gradient \}/],
  [
    'a classifier without classes',
    unconditional,
    { kind: 'classifier', classifier: { gradient } },
    'classifier.classes',
    /an integer/,
  ],
  [
    'a classifier of another process',
    unconditional,
    { kind: 'classifier', classifier: { ...classifier, sde: ve() } },
    'classifier.sde',
    /vp \(.*\), the process of the model/,
  ],
  [
    'a classifier of other constants',
    unconditional,
    { kind: 'classifier', classifier: { ...classifier, sde: vp({ beta1: 25 }) } },
    'classifier.sde',
    /beta1 20/,
  ],
  [
    'a classifier of another data range',
    unconditional,
    { kind: 'classifier', classifier: { ...classifier, sde: vp({ dataRange: [0, 1] }) } },
    'classifier.dataRange',
    /\[-1, 1\]/,
  ],
  [
    'a classifier of another shape',
    unconditional,
    { kind: 'classifier', classifier: { ...classifier, shape: [3] } },
    'classifier.shape',
    /\[2\]/,
  ],
  [
    'a classifier of other classes',
    conditional,
    { kind: 'classifier', classifier: { classes: 4, gradient } },
    'classifier.classes',
    /^3,/,
  ],
  [
    'a guide that is the model',
    conditional,
    { kind: 'autoguidance', guide: conditional },
    'guide',
    /another, weaker model/,
  ],
  ['no guide', conditional, { kind: 'autoguidance' }, 'guide', /a score model/],
  [
    'a guide of other classes',
    conditional,
    { kind: 'autoguidance', guide: unconditional },
    'guide.classes',
    /^3,/,
  ],
  [
    'a guide of another shape',
    unconditional,
    { kind: 'autoguidance', guide: gaussianModel(vp(), { shape: [3] }) },
    'guide.shape',
    /\[2\]/,
  ],
  [
    'two guidances',
    guide(conditional, { kind: 'classifier-free', scale: 2 }),
    { kind: 'classifier', classifier },
    'model',
    /not guided yet: this one is, by classifier-free/,
  ],
];

for (const [what, model, options, option, expected] of refused) {
  test(`refused: ${what}`, (t) => {
    const error = t.throws(() => guide(model, options as GuidanceOptions), { instanceOf: OptionError });
    t.is(error.option, option);
    t.regex(error.expected, expected);
  });
}

test('refused: guidance without a class, classes of none, and a class with nothing to guide', async (t) => {
  const guided = guide(conditional, { kind: 'classifier-free', scale: 2 });
  t.throws(() => sample(guided), {
    instanceOf: OptionError,
    message: /classLabel must be a class from 0 to 2, towards which/,
  });
  await t.throwsAsync(likelihood(guided, new Float32Array(2)), {
    message: /towards which the model is guided/,
  });
  t.throws(() => sample(guided, { classLabel: 3 }), { message: /classLabel must be an integer from 0 to 2/ });
  t.throws(() => sample(unconditional, { classLabel: 1 }), {
    message: /takes no class label \(a classifier can guide/,
  });
});

test('refused: files that are no classifiers', async (t) => {
  const load = (path: string) => loadClassifier(path);
  await t.throwsAsync(load(embeddedModel('vp')), {
    instanceOf: FastsdeError,
    message: /is a score network, not a classifier/,
  });
  await t.throwsAsync(load(fixture('ddpm')), { instanceOf: FastsdeError });
  await t.throwsAsync(load('absent.onnx'), { instanceOf: FastsdeError, message: /absent\.onnx/ });
  await t.throwsAsync(loadClassifier(wrong(3)), { message: /classifier must be the path/ });
  await t.throwsAsync(loadClassifier(classifierPath, wrong({ probe: true })), {
    message: /probe must be absent/,
  });
  await t.throwsAsync(loadModel(classifierPath), { message: /it can guide one \(--classifier\)/ });
});

const classifierPath = join(packageRoot(), 'models', 'mnist-classifier.onnx');

test('refused: a classifier for a network of another process', async (t) => {
  const model = await loadModel(embeddedModel('ve'), { probe: false, threads: 1 });
  const other = await loadClassifier(classifierPath, { threads: 1 });
  const error = t.throws(() => guide(model, { kind: 'classifier', classifier: other }), {
    instanceOf: OptionError,
  });
  t.is(error.option, 'classifier.sde');
  await model.close();
  await other.close();
});
