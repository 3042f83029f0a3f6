import { ModelError, OptionError } from '../../errors.js';
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
import { print } from './terminal.js';

/** The flags of `fastsde grad`. */
export interface GradFlags {
  readonly mode?: Mode;
  readonly wrt?: string[];
  readonly of?: string;
  readonly labels?: string;
  readonly reduce?: 'dot';
  readonly loss?: 'mean-squared-error' | 'cross-entropy' | 'output';
  readonly weight?: string;
  readonly parameters?: string;
  readonly output?: string;
  readonly check?: true;
  readonly json?: true;
}

type Mode = 'vjp' | 'jvp' | 'grad' | 'train';

/** Flags that a mode takes beside those of all. */
const flagsOf: Readonly<Record<Mode, readonly (keyof GradFlags)[]>> = {
  vjp: ['of', 'wrt', 'reduce'],
  jvp: ['of', 'wrt'],
  grad: ['of', 'wrt', 'labels'],
  train: ['of', 'loss', 'labels', 'weight', 'parameters'],
};
const flagsOfAll: readonly (keyof GradFlags)[] = ['mode', 'output', 'check', 'json'];

/** A difference in single precision agrees with a right derivative much better than this; one in half precision does not always. */
const TOLERANCE = 1e-2;
const HALF_TOLERANCE = 0.1;

/** The body of `fastsde grad`: derives, checks where asked, writes and reports. */
export async function differentiate(file: string, flags: GradFlags): Promise<void> {
  const { mode = 'vjp', output } = flags;
  for (const name of Object.keys(flags) as (keyof GradFlags)[]) {
    if (![...flagsOfAll, ...flagsOf[mode]].includes(name))
      throw new OptionError(name, flags[name], `left out with --mode ${mode}`);
  }
  const model = await readModel(file);
  const derived = await derive(model, mode, flags);
  const checks = flags.check ? await check(model, derived, mode) : undefined;
  if (output !== undefined) await writeModel(derived, output);
  const report: GradReport = {
    mode,
    nodes: derived.nodes.length,
    inputs: derived.inputs.map(({ name }) => name),
    outputs: derived.outputs.map(({ name }) => name),
    output,
    checks,
  };
  print(flags.json ? `${JSON.stringify(report)}\n` : describeReport(report));
  const worst = Math.max(0, ...(checks ?? []).map(({ error }) => error));
  const isHalf = derived.inputs.some(({ type }) => type === 'float16');
  if (!(worst <= (isHalf ? HALF_TOLERANCE : TOLERANCE))) {
    throw new ModelError(
      `The derivative differs from finite differences by ${worst.toExponential(1)} (relative).`,
    );
  }
}

async function derive(model: Model, mode: Mode, flags: GradFlags): Promise<Model> {
  const { of, labels, reduce, parameters } = flags;
  if (mode === 'train') {
    const selection = parameters === undefined ? 'all' : new RegExp(parameters);
    return (await trainingGraph(model, { loss: lossOf(flags), parameters: selection })).model;
  }
  const wrt = flags.wrt ?? model.inputs.slice(0, 1).map(({ name }) => name);
  const { missing } = support(model, { of, wrt });
  if (missing.length > 0) {
    const list = missing.map(({ operator, node, path, refusal }) => {
      const reason = refusal === undefined ? '' : ` (${refusal})`;
      return `${operator} "${[...path, node].join('/')}"${reason}`;
    });
    throw new ModelError(`The model cannot be differentiated; these nodes have no rule: ${list.join(', ')}.`);
  }
  if (mode === 'jvp') return jvp(model, { of, wrt });
  return mode === 'grad' ? grad(model, { of, wrt, labels }) : vjp(model, { of, wrt, reduce });
}

function lossOf({ loss: kind = 'mean-squared-error', of, weight, labels }: GradFlags): Loss {
  if (kind === 'output') return { kind, output: of ?? 'loss' };
  return kind === 'cross-entropy' ? { kind, output: of, weight, labels } : { kind, output: of, weight };
}

async function check(model: Model, derived: Model, mode: Mode): Promise<DirectionCheck[]> {
  if (mode !== 'train') return checkDerivative(derived);
  const tensors = new Map(model.proto.graph.initializer.map(({ name, dims }) => [name ?? '', dims]));
  const parameters = derived.inputs.map(({ name }) => name).filter((name) => tensors.has(name));
  const feeds: Record<string, Tensor> = {};
  for (const [name, data] of parameterValues(model, parameters))
    feeds[name] = { data, dims: tensors.get(name)! };
  return checkDerivative(derived, { feeds });
}

/** What is said of a derived model. */
interface GradReport {
  readonly mode: Mode;
  readonly nodes: number;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly output: string | undefined;
  readonly checks: readonly DirectionCheck[] | undefined;
}

function describeReport(report: GradReport): string {
  const few = (names: readonly string[]): string =>
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
