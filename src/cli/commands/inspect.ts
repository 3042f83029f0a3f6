import { Command } from 'commander';
import { ModelError } from '../../errors.js';
import { shownTensor } from '../../onnx/file/sizes.js';
import type { Inspection } from '../../score/network/inspect.js';
import { addRecipes } from '../shared/help.js';
import { addModelOptions, loadOptions, quietRuntime, type ModelFlags } from '../shared/model.js';
import { run } from '../shared/run.js';
import { print } from '../shared/terminal.js';

interface InspectFlags extends ModelFlags {
  readonly json?: true;
}

/** `fastsde inspect`: what a model file holds, what it says of itself, and what the probe finds. */
export function inspectCommand(): Command {
  const command = new Command('inspect')
    .summary('show what a model file holds, and check that its output is a score')
    .description(
      'Prints the inputs, outputs, operators and metadata of an ONNX file, what fastsde takes it for, and whether it ' +
        'denoises noised data as that (the probe). Flags stand in for metadata that are missing or wrong.',
    )
    .argument('<model>', 'ONNX file of a score network')
    .option('--json', 'print one JSON object');
  addModelOptions(command, { mixture: false });
  return addRecipes(command, [
    ['fastsde inspect model.onnx', 'what it is, and whether it denoises as that'],
    ['fastsde inspect unet.onnx --sde vp --parameterization eps', 'is it that?'],
    ['fastsde inspect model.onnx --json', 'for a program'],
  ]).action((path: string, flags: InspectFlags) =>
    run(async () => {
      const { inspectModel } = await import('../../score/network/inspect.js');
      await quietRuntime();
      const inspection = await inspectModel(path, await loadOptions(flags));
      print(flags.json ? `${JSON.stringify(inspection)}\n` : report(inspection));
      const { problem, probe } = inspection;
      const failed = probe?.findings.find(({ severity }) => severity === 'error');
      if (problem !== undefined || failed) throw new ModelError(problem ?? failed!.message);
    }),
  );
}

function report({ inputs, outputs, opsets, operators, parameters, metadata, ...found }: Inspection): string {
  const { model, probe } = found;
  const sections: [heading: string, lines: string[]][] = [
    ['Inputs', inputs.map((info) => `${info.name}: ${shownTensor(info)}`)],
    ['Outputs', outputs.map((info) => `${info.name}: ${shownTensor(info)}`)],
    ['Operator sets', Object.entries(opsets).map(([name, version]) => `${name || 'ai.onnx'} ${version}`)],
    [
      `Operators (${parameters.toLocaleString('en')} parameters)`,
      Object.entries(operators).map(([name, count]) => `${String(count).padStart(5)}  ${name}`),
    ],
    ['Metadata', Object.entries(metadata).map(([key, value]) => `${key} = ${value}`)],
    ['Model', model ? Object.entries(model).map(([key, value]) => `${key}: ${plain(value)}`) : []],
    [
      'Probe',
      probe
        ? [
            ...(probe.ok ? ['The output denoises as it should.'] : []),
            ...probe.findings.map(({ severity, message }) => `${severity}: ${message}`),
            ...probe.levels.map(
              ({ t, rho, leak, low, high }) =>
                `t ${t.toPrecision(3)}, noise ${rho.toPrecision(3)}: ${leak.toPrecision(2)} of the noise stays in x0, ` +
                `whose mean is ${low.toPrecision(2)} where the data are low, ${high.toPrecision(2)} where high`,
            ),
          ]
        : [],
    ],
  ];
  return sections
    .filter(([, lines]) => lines.length > 0)
    .map(
      ([heading, lines]) =>
        `${heading}\n${lines.map((line) => `  ${line.replaceAll('\n', '\\n')}\n`).join('')}`,
    )
    .join('\n');
}

function plain(value: unknown): string {
  if (Array.isArray(value)) return value.join(', ');
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value)
      .map(([key, entry]) => `${key} ${String(entry)}`)
      .join(', ');
  }
  return String(value);
}
