import { ModelError, OptionError } from '../../errors.js';
import { linearize } from '../../autodiff/linearize.js';
import { fusedVjp, vjp } from '../../autodiff/vjp.js';
import { modelBytes, readWholeModel, type Model } from '../../onnx/file/model.js';
import { createSession, sessionKind, type Session, type SessionOptions } from '../../onnx/run/runtime.js';
import { isFolder } from '../../io/atomic.js';
import { checkInteger, checkKnown, defined, isList, isRecord } from '../../options.js';
import type { Inputs } from '../model.js';
import { modelSource, type ModelFile } from '../../io/path.js';
import { describeModel, type DescriptionOptions, type ModelDescription } from './description.js';
import { readMetadata, type ModelMetadata, type TensorNames } from './metadata.js';
import { inputValues, type InputValue } from './input-values.js';
import { openedOnce, OnnxScoreModel, type LinearizedNetwork } from './model.js';
import { bakedBatch, triedOutput, type Tried } from './accepted-rows.js';
import { batchOf, COTANGENT, nameSource, Network } from './network.js';
import { probe, type ProbeOptions, type ProbeReport } from './probe.js';
import { requireRows } from './lookup.js';
import { findRandomness } from './randomness.js';
import { readPipeline } from './pipeline-folder.js';
import { inferRoles, type Roles } from './roles.js';

/** How a network is read and run: what its file does not say, its inputs, threads and where it runs. */
export interface LoadOptions extends DescriptionOptions {
  /**
   * Rows of every run of the network; smaller batches are padded, larger ones split. ONNX Runtime may add in another
   * order at another batch size, so that fixing it makes samples independent of how many are drawn together.
   * Default: as many rows as are asked for, or what the file fixes.
   */
  readonly batch?: number;
  /** Threads of the network. Default: ONNX Runtime's, one per core. */
  readonly threads?: number;
  /**
   * Where the network runs. Default `cpu`. `cuda` is an error where it cannot start; there is no fallback. States of samplers are then on the GPU
   * too, in a build with kernels for it, unless {@link setDevice} says otherwise.
   */
  readonly provider?: 'cpu' | 'cuda';
  /**
   * On a GPU: matrix products and convolutions with 10 bits of mantissa, several times as fast. Default false: single precision, as on the CPU.
   * Likelihoods need it.
   */
  readonly tf32?: boolean;
  /**
   * Values of the network's inputs beside state, time and class; those left out are given by {@link withInputs}, without which the
   * model cannot be evaluated.
   */
  readonly inputs?: Inputs;
  /**
   * Whether to check sign, scale and labels on noised synthetic data, which costs one evaluation. Default true; it needs the values of
   * all inputs.
   */
  readonly probe?: boolean;
}

const optionNames = Object.keys({
  ...{ sde: 1, constants: 1, parameterization: 1, sigmaData: 1, labels: 1, shape: 1, dataRange: 1 },
  ...{
    trainedLevels: 1,
    ladder: 1,
    scheduler: 1,
    classes: 1,
    names: 1,
    batch: 1,
    threads: 1,
    provider: 1,
    tf32: 1,
    probe: 1,
    inputs: 1,
  },
} satisfies Record<keyof LoadOptions, 1>);

/** Options that say of which process a network is. */
const processOptions = ['sde', 'constants', 'ladder', 'trainedLevels'] as const;

/** Throws where there is an option of another name. */
export function checkLoadOptions(options: LoadOptions): void {
  checkKnown(options, optionNames);
  if (options.inputs !== undefined && !isRecord(options.inputs))
    throw new OptionError(
      'inputs',
      options.inputs,
      'an object of numbers and arrays { data, shape } by name',
    );
  if (options.names)
    checkKnown(options.names, ['state', 'time', 'class', 'selfCondition', 'output'], 'names');
}

/**
 * Loads a score network from an ONNX file, from the bytes of one, or from a folder as diffusers' ONNX export writes it. It is closed by
 * `close()`, or with `await using` at the end of the block.
 *
 * What the network is comes from its metadata (`fastsde.*`) or the configs of its folder, and from the options, which override them. A
 * first evaluation on noised synthetic data checks that the output is what they say; doubts are in `warnings`. A folder says more than the
 * probe could find out, which is left out there unless it is asked for.
 *
 * @param given The path or `file:` URL of a file or folder, or the bytes of a file, which are not to be changed as long as the model is open.
 * @throws ModelError for a file that cannot be read, that does not say what it is, or whose output is clearly something
 *   else; OptionError for an option that cannot be used; LoadError where ONNX Runtime or the provider cannot start.
 *
 * @example
 * ```ts
 * const digits = await loadModel(embeddedModel('vp'));
 * const yours = await loadModel('unet.onnx', { sde: 'vp', parameterization: 'eps', labels: 'index' });
 * ```
 */
export async function loadModel(given: ModelFile, options: LoadOptions = {}): Promise<OnnxScoreModel> {
  const source = modelSource('model', given);
  checkLoadOptions(options);
  const found = await networkIn(source, options);
  if (found.source !== source) return loadModel(found.source, { probe: false, ...found.options });
  const name = typeof source === 'string' ? source : 'the model';
  try {
    const file = await readWholeModel(source);
    const opened = await openNetwork(name, source, file, options);
    const { metadata, network, description, values } = opened;
    try {
      const report = options.probe === false ? undefined : await opened.probe(description);
      refuse(report);
      const derivative = openedOnce(() => openDerivative(network, file, description, options));
      const linearized = openedOnce(() => openLinearized(network, file, description, options));
      const parts = { file, network, metadata, description, report, derivative, linearized };
      return new OnnxScoreModel(parts, values);
    } catch (cause) {
      await network.release();
      throw cause;
    }
  } catch (cause) {
    throw nameSource(name, cause);
  }
}

/** @internal The network in a folder, with what its configs say of it; what is no folder, as it is. */
export async function networkIn<T extends string | Uint8Array>(
  source: T,
  options: LoadOptions,
): Promise<{ readonly source: T | string; readonly options: LoadOptions }> {
  if (typeof source !== 'string' || !(await isFolder(source))) return { source, options };
  const { network, options: described, scheduler, side } = await readPipeline(source);
  const { sde, shape } = options;
  if (isList(shape) && shape.slice(1).some((size) => Number.isInteger(size) && size % side !== 0)) {
    const expected = `[channels, height, width] with sides that are multiples of ${side}, as the network in ${source} takes them`;
    throw new OptionError('shape', shape, expected);
  }
  const asked = typeof sde === 'object' ? sde.name : sde;
  if (asked !== undefined && asked !== described.sde) {
    const expected = `'${described.sde as string}' or left out, as ${scheduler} says; to read the network otherwise give ${network.path}`;
    throw new OptionError('sde', asked, expected);
  }
  const names = { ...described.names, ...options.names };
  return { source: network.path, options: { ...described, ...defined(options), names } };
}

/** The parts of a score model, before the probe. */
export interface OpenNetwork {
  readonly metadata: ModelMetadata;
  readonly network: Network;
  readonly description: ModelDescription;
  /** Of the inputs that are given. */
  readonly values: readonly InputValue[];
  /** Undefined where an input has no value. */
  probe(description: ModelDescription): Promise<ProbeReport | undefined>;
}

/** Whether an output whose channels the file leaves open has a variance in the second half of them. */
async function hasTwoParts(tried: Tried, batch: number | undefined): Promise<boolean> {
  if (!('learnedVariance' in tried.description)) return false;
  const [, channels] = (await triedOutput(tried, batch ?? 1)) ?? [];
  return channels === 2 * tried.description.shape[0]!;
}

/** @throws ModelError that names the batch, where the network takes one number of rows alone and the file does not say so. */
async function probed(
  tried: Tried,
  network: Network,
  batch: number | undefined,
  description: ModelDescription,
  options: ProbeOptions,
): Promise<ProbeReport | undefined> {
  const { values, roles } = tried;
  if (values.length < roles.inputs.length) return undefined;
  const fed: Pick<Network, 'run'> = {
    run: (rows, output) => network.run({ ...rows, inputs: values }, output),
  };
  try {
    return await probe(fed, description, options);
  } catch (cause) {
    const baked = batch === undefined ? await bakedBatch(tried) : undefined;
    if (baked === undefined) throw cause;
    throw new ModelError(
      `It takes batches of exactly ${baked}, though its file does not say so: a shape inside is fixed. Give batch (--batch ${baked}).`,
      { option: 'batch', cause },
    );
  }
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
  const roles = rolesOf(file, { ...metadata.names, ...options.names }, options.inputs);
  const described = describeModel(options, metadata, roles);
  const values = inputValues(roles, options.inputs ?? {});
  requireRows(file, roles, described);
  if (options.batch !== undefined) checkInteger('batch', options.batch, 1);
  const batch = batchOf(roles.state, options.batch);
  const session = await createSession(source, sessionOptions(options));
  const tried = { session, roles, description: described, values };
  const description = {
    ...described,
    learnedVariance: described.learnedVariance ?? (await hasTwoParts(tried, batch)),
  };
  const network = new Network(name, session, roles, description, batch);
  return {
    metadata,
    description,
    network,
    values,
    probe: (declared) =>
      probed(tried, network, batch, declared, {
        known: findRandomness(file, roles.output.name),
        isOwnProcess:
          metadata.sde !== undefined && processOptions.every((name) => options[name] === undefined),
      }),
  };
}

/** @throws OptionError where the network has no other state or time than what is to be fed. */
function rolesOf(file: Model, names: TensorNames, given: Inputs = {}): Roles {
  const fed = Object.keys(given);
  try {
    return inferRoles(file.inputs, file.outputs, names, fed);
  } catch (cause) {
    if (fed.length === 0) throw cause;
    const { state, time } = inferRoles(file.inputs, file.outputs, names);
    const stray = fed.find((name) => name === state.name || name === time.name);
    if (stray === undefined) throw cause;
    const role = stray === state.name ? 'state' : 'time';
    throw new OptionError(`inputs.${stray}`, given[stray], `absent: it is the ${role} of the network`);
  }
}

/** @internal Starts a session for the network with its transposed Jacobian product. */
export async function openDerivative(
  { source, roles }: Network,
  file: Model,
  description: ModelDescription,
  options: LoadOptions,
): Promise<Network> {
  try {
    const names = { of: roles.output.name, wrt: roles.state.name, cotangent: COTANGENT };
    const derived = await ((await isOurs(options)) ? fusedVjp : vjp)(file, names);
    const session = await openDerived(derived, options);
    return new Network(source, session, roles, description, batchOf(roles.state, options.batch));
  } catch (cause) {
    throw nameSource(source, cause);
  }
}

/** @internal Starts sessions for the network with what its derivative reads, and for the transpose of that. */
export async function openLinearized(
  { source, roles }: Network,
  file: Model,
  description: ModelDescription,
  options: LoadOptions,
): Promise<LinearizedNetwork> {
  try {
    const fused = await isOurs(options);
    const names = { of: roles.output.name, wrt: roles.state.name, cotangent: COTANGENT };
    const { forward, kept, transpose } = await linearize(file, { ...names, fused });
    const session = await openDerived(forward, options);
    const network = new Network(source, session, roles, description, batchOf(roles.state, options.batch));
    const transposed = await openDerived(transpose, options);
    return {
      network,
      tape: () => network.tape(transposed, kept),
      bind: (device, arrays) => network.bindLinearized(device, arrays, { session: transposed, kept }),
      async release() {
        await network.release();
        await transposed.release();
      },
    };
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

/** Whether the addon's sessions run the network on the CPU, with the operators that are theirs. */
async function isOurs(options: LoadOptions): Promise<boolean> {
  const { provider = 'cpu' } = options;
  return provider === 'cpu' && (await sessionKind(sessionOptions(options))) === 'own';
}

function sessionOptions({ provider = 'cpu', threads, tf32 = false }: LoadOptions): SessionOptions {
  return { provider, tf32, ...(threads !== undefined && { threads }) };
}

function refuse(report: ProbeReport | undefined): void {
  const failures = report?.findings.filter(({ severity }) => severity === 'error') ?? [];
  if (failures.length === 0) return;
  const messages = failures.map(({ message }) => message).join(' ');
  throw new ModelError(`${messages} (probe: false, or --no-probe, loads it all the same.)`);
}
