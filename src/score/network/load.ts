import { ModelError, OptionError } from '../../errors.js';
import { vjp } from '../../autodiff/vjp.js';
import { modelBytes, readModel, type Model } from '../../onnx/file/model.js';
import { createSession, type Session, type SessionOptions } from '../../onnx/run/runtime.js';
import { checkInteger, checkKnown } from '../../options.js';
import { describeModel, type DescriptionOptions, type ModelDescription } from './description.js';
import { readMetadata, type ModelMetadata } from './metadata.js';
import { OnnxScoreModel } from './model.js';
import { batchOf, COTANGENT, nameSource, Network } from './network.js';
import { probe, type ProbeReport } from './probe.js';
import { inferRoles } from './roles.js';

export interface LoadOptions extends DescriptionOptions {
  /**
   * Rows of every run of the network; smaller batches are padded, larger ones split. ONNX Runtime may add in another
   * order at another batch size, so that fixing it makes samples independent of how many are drawn together.
   * Default: as many rows as are asked for, or what the file fixes.
   */
  readonly batch?: number;
  /** Threads of the network. Default: ONNX Runtime's, one per core. */
  readonly threads?: number;
  /** Default `cpu`. `cuda` is an error where it cannot start; there is no fallback. */
  readonly provider?: 'cpu' | 'cuda';
  /** Whether to check sign, scale and labels on noised synthetic data, which costs one evaluation. Default true. */
  readonly probe?: boolean;
}

const optionNames = Object.keys({
  ...{ sde: 1, constants: 1, parameterization: 1, sigmaData: 1, labels: 1, shape: 1, dataRange: 1 },
  ...{ trainedLevels: 1, ladder: 1, classes: 1, names: 1, batch: 1, threads: 1, provider: 1, probe: 1 },
} satisfies Record<keyof LoadOptions, 1>);

/** Throws where there is an option of another name. */
export function checkLoadOptions(options: LoadOptions): void {
  checkKnown(options, optionNames);
  if (options.names) checkKnown(options.names, ['state', 'time', 'class', 'output'], 'names');
}

/**
 * Loads a score network from an ONNX file, or from the bytes of one.
 *
 * What the network is comes from its metadata (`fastsde.*`) and from the options, which override it. A first
 * evaluation on noised synthetic data checks that the output is what they say; doubts are in `warnings`.
 *
 * @throws ModelError for a file that cannot be read, that does not say what it is, or whose output is clearly something
 *   else; OptionError for an option that cannot be used; LoadError where ONNX Runtime or the provider cannot start.
 */
export async function loadModel(
  source: string | Uint8Array,
  options: LoadOptions = {},
): Promise<OnnxScoreModel> {
  if (typeof source !== 'string' && !((source as unknown) instanceof Uint8Array)) {
    throw new OptionError('model', source, 'the path of an ONNX file, or its bytes as a Uint8Array');
  }
  checkLoadOptions(options);
  const name = typeof source === 'string' ? source : 'the model';
  try {
    const file = await readModel(source);
    const { metadata, network, description } = await openNetwork(name, source, file, options);
    try {
      const report = options.probe === false ? undefined : await probe(network, description);
      refuse(report);
      return new OnnxScoreModel(file, network, metadata, description, report, () =>
        openDerivative(network, file, description, options),
      );
    } catch (cause) {
      await network.release();
      throw cause;
    }
  } catch (cause) {
    throw nameSource(name, cause);
  }
}

/** The parts of a score model, before the probe. */
export interface OpenNetwork {
  readonly metadata: ModelMetadata;
  readonly network: Network;
  readonly description: ModelDescription;
}

/** @internal Starts a session for a file, once it is clear what the network is. */
export async function openNetwork(
  name: string,
  source: string | Uint8Array,
  file: Model,
  options: LoadOptions,
): Promise<OpenNetwork> {
  const metadata = readMetadata(file.metadata);
  if (metadata.kind === 'classifier') {
    throw new ModelError(
      'It is a classifier of noisy data, not a score network (fastsde.kind in its metadata); it can guide one (--classifier).',
      {
        option: 'model',
      },
    );
  }
  const roles = inferRoles(file.inputs, file.outputs, { ...metadata.names, ...options.names });
  const description = describeModel(options, metadata, roles);
  if (options.batch !== undefined) checkInteger('batch', options.batch, 1);
  const batch = batchOf(roles.state, options.batch);
  const session = await createSession(source, sessionOptions(options));
  return { metadata, description, network: new Network(name, session, roles, description, batch) };
}

/** @internal Starts a session for the network with its transposed Jacobian product. */
export async function openDerivative(
  { source, roles }: Network,
  file: Model,
  description: ModelDescription,
  options: LoadOptions,
): Promise<Network> {
  try {
    const derived = await vjp(file, { of: roles.output.name, wrt: roles.state.name, cotangent: COTANGENT });
    const session = await openDerived(derived, options);
    return new Network(source, session, roles, description, batchOf(roles.state, options.batch));
  } catch (cause) {
    throw nameSource(source, cause);
  }
}

/** @internal Starts a session for a graph that was made of a file. */
export function openDerived(derived: Model, options: LoadOptions): Promise<Session> {
  const { folder } = derived;
  return createSession(modelBytes(derived), {
    ...sessionOptions(options),
    ...(folder !== undefined && { folder }),
  });
}

function sessionOptions({ provider = 'cpu', threads }: LoadOptions): SessionOptions {
  return { provider, ...(threads !== undefined && { threads }) };
}

function refuse(report: ProbeReport | undefined): void {
  const failures = report?.findings.filter(({ severity }) => severity === 'error') ?? [];
  if (failures.length === 0) return;
  const messages = failures.map(({ message }) => message).join(' ');
  throw new ModelError(`${messages} (probe: false, or --no-probe, loads it all the same.)`);
}
