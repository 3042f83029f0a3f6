import { Command } from 'commander';
import type { GpuInfo } from '../../device/addon-interface.js';
import { quietRuntime } from '../shared/model.js';
import { dependency, fastsde } from '../shared/package.js';
import { addRecipes } from '../shared/help.js';
import { run } from '../shared/run.js';
import { print } from '../shared/terminal.js';

/** `fastsde info`: what runs here, and what does not and why. */
export function infoCommand(): Command {
  const command = new Command('info')
    .summary('print versions, instruction set, threads and execution providers')
    .description('Prints what fastsde runs with on this machine, and what cannot run and why.')
    .option('--json', 'print one JSON object');
  return addRecipes(command, [
    ['fastsde info', 'what runs here, and what does not and why'],
    ['fastsde info --json', 'for a report'],
    ['FASTSDE_ISA=baseline fastsde info', 'with other kernels'],
  ]).action((flags: { json?: true }) =>
    run(async () => {
      const facts = await gather();
      print(flags.json ? `${JSON.stringify(facts)}\n` : table(facts));
    }),
  );
}

interface Facts {
  readonly versions: Readonly<Record<string, string>>;
  readonly platform: string;
  /** Instruction set of the kernels in use, and all that this CPU and this build have. */
  readonly isa: string;
  readonly supportedIsas: readonly string[];
  /** Threads of the native kernels. */
  readonly threads: number;
  /** Who runs networks: the addon, in this library of ONNX Runtime, or onnxruntime-node. */
  readonly sessions: string;
  readonly providers: readonly Provider[];
  readonly gpu: GpuInfo;
}

interface Provider {
  readonly name: 'cpu' | 'cuda';
  readonly loads: boolean;
  /** Why it does not load. */
  readonly reason?: string;
}

async function gather(): Promise<Facts> {
  const { addon, nativeInfo } = await import('../../device/addon.js');
  const { isa, supported, threads } = nativeInfo();
  const version = (name: string): string => dependency(name)?.version ?? 'not installed';
  return {
    versions: {
      fastsde: fastsde.version,
      node: process.versions.node,
      onnxruntime: version('onnxruntime-node'),
      commander: version('commander'),
      sharp: version('sharp'),
    },
    platform: `${process.platform}-${process.arch}`,
    isa,
    supportedIsas: supported,
    threads,
    sessions: await describeSessions(),
    providers: [await probeProvider('cpu'), await probeProvider('cuda')],
    gpu: await addon().gpuInfo(),
  };
}

async function describeSessions(): Promise<string> {
  const { sessionKind } = await import('../../onnx/run/runtime.js');
  const { openRuntime } = await import('../../onnx/run/own.js');
  try {
    if ((await sessionKind()) === 'node') return 'onnxruntime-node, on the calling thread';
    const { path, version } = await openRuntime();
    return `own, in threads of their own (ONNX Runtime ${version}: ${path})`;
  } catch (error) {
    return `none: ${(error as Error).message}`;
  }
}

/** Starts an embedded model on a provider. */
async function probeProvider(name: Provider['name']): Promise<Provider> {
  const { createSession } = await import('../../onnx/run/runtime.js');
  const { embeddedModel } = await import('../../score/network/embedded.js');
  try {
    await quietRuntime();
    await (await createSession(embeddedModel(), { provider: name })).release();
    return { name, loads: true };
  } catch (error) {
    return { name, loads: false, reason: (error as Error).message };
  }
}

/** The GPU on which kernels can run, or why they cannot. */
function describeGpu({ kernels, reason, name, memory = 0, version = 0, emulated }: GpuInfo): string {
  const build = `kernels ${kernels ? 'in this build' : 'not in this build'}`;
  if (name === undefined) return `none (${reason}; ${build})`;
  const cuda = `CUDA ${Math.floor(version / 1000)}.${Math.floor((version % 1000) / 10)}`;
  return `${name} (${Math.round(memory / 2 ** 20)} MiB, ${cuda}; ${emulated ? 'emulated' : build})`;
}

function table({ versions, platform, isa, supportedIsas, threads, sessions, providers, gpu }: Facts): string {
  const rows = [
    ...Object.entries(versions),
    ['platform', platform],
    ['instruction set', `${isa} (supported: ${supportedIsas.join(', ')})`],
    ['kernel threads', String(threads)],
    ['sessions', sessions],
    ...providers.map(({ name, loads, reason }) => [
      `provider ${name}`,
      loads ? 'loads' : `does not load: ${sessions.endsWith(reason!) ? 'there are no sessions' : reason}`,
    ]),
    ['gpu', describeGpu(gpu)],
  ];
  return rows.map(([name, value]) => `${name!.padEnd(16)} ${value}\n`).join('');
}
