import { networkKinds } from '../../networks/names.js';
import { parameterizations } from '../../score/parameterization.js';
import { sdeNames } from '../../sde/names.js';
import { objectiveRules, settingRules, type OptionRule } from '../../training/options.js';

type Rules = Readonly<Record<string, OptionRule>>;

/** Entries of a configuration that have flags of their own, by the headings of the help; a path leads into an object. */
export const groups: Readonly<Record<string, Rules>> = {
  'Data:': {
    resize: {
      type: 'numbers',
      flag: '--resize <h,w>',
      help: 'scale pictures to cover this size and crop them evenly',
    },
    channels: { type: 'integer' },
    holdOut: {
      type: 'number',
      flag: '--hold-out <share>',
      help: 'share on which the loss is measured',
      standard: '0.05, at most 1000 samples',
    },
  },
  'Network:': {
    network: { type: 'object' },
    'network.kind': {
      type: networkKinds,
      flag: '--network <kind>',
      help: 'a new network',
      standard: 'unet for pictures, else mlp',
    },
    model: { type: 'text', flag: '--model <file>', help: 'an ONNX file to train, in place of a new network' },
    graph: { type: 'text', flag: '--graph <file>', help: 'a training graph of that file made elsewhere' },
    inputs: {
      type: 'inputs',
      flag: '--input <pair>',
      help: 'NAME=VALUE: what another input of that file is fed, a number or a .npy file, for all samples; may be repeated',
    },
    parameters: { type: 'text' },
    conditional: {
      type: 'boolean',
      flag: '--conditional',
      help: 'give the network a class input, for the classes of the data',
    },
    'network.sde': { type: sdeNames, flag: '--sde <name>', help: 'forward SDE', standard: 'vp' },
    'network.constants': {
      type: 'constants',
      flag: '--sde-constants <list>',
      help: 'its constants, where not the defaults: sigmaMin=0.01,sigmaMax=50',
    },
    'network.parameterization': {
      type: parameterizations,
      flag: '--parameterization <kind>',
      help: "meaning of the network's output",
      standard: 'eps; score for ve, edm for edm',
    },
    'network.labels': {
      type: 'text',
      flag: '--labels <rule>',
      help: 'number fed as time: t, t*999, sigma, log-sigma, c-noise, dpm-solver, index',
    },
    'network.dropout': {
      type: 'number',
      flag: '--dropout <p>',
      help: 'probability of dropout while training',
      standard: '0',
    },
  },
  'Objective:': {
    objective: { type: 'object' },
    ...Object.fromEntries(Object.entries(objectiveRules).map(([name, rule]) => [`objective.${name}`, rule])),
  },
  'Training:': settingRules,
  'Output:': {
    output: {
      type: 'text',
      flag: '--output <folder>',
      help: 'where all files go, see below',
      standard: 'training/',
    },
    checkpointEvery: {
      type: 'integer',
      flag: '--checkpoint-every <n>',
      help: 'steps between checkpoints',
      standard: 'a tenth of the steps, 100 to 1000',
    },
    keep: {
      type: 'integer',
      flag: '--keep <n>',
      help: 'checkpoints kept beside the best one',
      standard: '2',
    },
    snapshotEvery: {
      type: 'integer',
      flag: '--snapshot-every <n>',
      help: 'steps between snapshots of two averages, for "fastsde average"',
      standard: 'none',
    },
    sampleEvery: {
      type: 'integer',
      flag: '--sample-every <n>',
      help: 'steps between pictures of samples',
      standard: 'a tenth of the steps',
    },
    sampleCount: {
      type: 'integer',
      flag: '--sample-count <n>',
      help: 'samples in a picture',
      standard: '36; 4000 for points',
    },
  },
};

/** All entries by their paths; the first ones have the flags that every command with data has. */
export const entries: Rules = {
  data: { type: 'text' },
  split: { type: ['train', 'test'] },
  dataLabels: { type: 'text' },
  skipCorrupted: { type: 'boolean' },
  ...(Object.assign({}, ...Object.values(groups)) as Rules),
};
