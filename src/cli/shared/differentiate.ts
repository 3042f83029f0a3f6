import { ModelError } from '../../errors.js';
import { checkDerivative, type DirectionCheck } from '../../autodiff/check.js';
import { grad } from '../../autodiff/grad.js';
import { jvp } from '../../autodiff/jvp.js';
import type { Loss } from '../../autodiff/loss.js';
import { parameterValues } from '../../autodiff/parameters.js';
import { support } from '../../autodiff/support.js';
import { trainingGraph } from '../../autodiff/training.js';
import { vjp } from '../../autodiff/vjp.js';
import { readModel, writeModel, type Model } from '../../onnx/file/model.js';
import type { Tensor } from '../../onnx/run/runtime.js';

/** The options of `fastsde grad`. */
export interface GradCommandOptions {
  mode: 'vjp' | 'jvp' | 'grad' | 'train';
  wrt?: string[];
  of?: string;
  labels?: string;
  reduce?: 'dot';
  loss: 'mean-squared-error' | 'cross-entropy' | 'output';
  weight?: string;
  parameters?: string;
  output?: string;
  check?: true;
  json?: true;
}

/** A difference in single precision agrees with a right derivative much better than this. */
const TOLERANCE = 1e-2;

/** The body of `fastsde grad`: derives, checks where asked, writes and reports. */
export async function differentiate(file: string, options: GradCommandOptions): Promise<void> {
  const model = await readModel(file);
  const derived = await derive(model, options);
  const checks = options.check ? await check(model, derived, options) : undefined;
  if (options.output !== undefined) await writeModel(derived, options.output);
  const report = {
    mode: options.mode,
    nodes: derived.nodes.length,
    inputs: derived.inputs.map(({ name }) => name),
    outputs: derived.outputs.map(({ name }) => name),
    ...(options.output === undefined ? {} : { output: options.output }),
    ...(checks === undefined ? {} : { checks }),
  };
  process.stdout.write(options.json ? `${JSON.stringify(report)}\n` : describeReport(report));
  const worst = Math.max(0, ...(checks ?? []).map(({ error }) => error));
  if (!(worst <= TOLERANCE)) {
    throw new ModelError(
      `The derivative differs from finite differences by ${worst.toExponential(1)} (relative).`,
    );
  }
}

async function derive(model: Model, options: GradCommandOptions): Promise<Model> {
  const { of, mode } = options;
  const wrt = options.wrt ?? model.inputs.slice(0, 1).map(({ name }) => name);
  const target = of === undefined ? {} : { of };
  if (mode === 'train') {
    const parameters = options.parameters === undefined ? {} : { parameters: new RegExp(options.parameters) };
    return (await trainingGraph(model, { loss: lossOf(options), ...parameters })).model;
  }
  const { missing } = support(model, { ...target, wrt });
  if (missing.length > 0) {
    const list = missing.map(({ operator, node, path }) => `${operator} "${[...path, node].join('/')}"`);
    throw new ModelError(`The model cannot be differentiated; these nodes have no rule: ${list.join(', ')}.`);
  }
  if (mode === 'jvp') return jvp(model, { ...target, wrt });
  if (mode === 'grad')
    return grad(model, { ...target, wrt, ...(options.labels ? { labels: options.labels } : {}) });
  return vjp(model, { ...target, wrt, ...(options.reduce ? { reduce: options.reduce } : {}) });
}

function lossOf({ loss, of, weight, labels }: GradCommandOptions): Loss {
  if (loss === 'output') return { kind: loss, output: of ?? 'loss' };
  const output = of === undefined ? {} : { output: of };
  const weighted = weight === undefined ? {} : { weight };
  if (loss === 'cross-entropy') return { kind: loss, ...output, ...weighted, ...(labels ? { labels } : {}) };
  return { kind: loss, ...output, ...weighted };
}

async function check(model: Model, derived: Model, { mode }: GradCommandOptions): Promise<DirectionCheck[]> {
  if (mode !== 'train') return checkDerivative(derived);
  const tensors = new Map(model.proto.graph.initializer.map(({ name, dims }) => [name ?? '', dims]));
  const parameters = derived.inputs.map(({ name }) => name).filter((name) => tensors.has(name));
  const feeds: Record<string, Tensor> = {};
  for (const [name, data] of parameterValues(model, parameters))
    feeds[name] = { data, dims: tensors.get(name)! };
  return checkDerivative(derived, { feeds });
}

function describeReport(report: {
  mode: string;
  nodes: number;
  inputs: string[];
  outputs: string[];
  output?: string;
  checks?: DirectionCheck[];
}): string {
  const few = (names: string[]): string =>
    names.length > 8 ? `${names.slice(0, 8).join(', ')} and ${names.length - 8} more` : names.join(', ');
  const lines = [
    `${report.mode}: ${report.nodes} nodes`,
    `inputs: ${few(report.inputs)}`,
    `outputs: ${few(report.outputs)}`,
  ];
  for (const { derivative, difference, error, step } of report.checks ?? []) {
    lines.push(
      `check: derivative ${derivative.toPrecision(7)}, difference ${difference.toPrecision(7)} (h = ${step}), ` +
        `relative error ${error.toExponential(1)}`,
    );
  }
  if (report.output !== undefined) lines.push(`written to ${report.output}`);
  return `${lines.join('\n')}\n`;
}
