import { existsSync, readdirSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

import { addon } from '../../device/addon.js';
import type { NativeLibrary, NativePort, NativeResult } from '../../device/addon-interface.js';
import type { BoundRun, Device, DeviceName } from '../../device/device.js';
import { LoadError, ModelError } from '../../errors.js';
import type { TensorInfo } from '../file/model.js';
import { dataTypeName } from '../file/tensor.js';
import { cudaLibraries, explainCuda } from './cuda.js';
import {
  closedError,
  listFeeds,
  listFetches,
  oneLine,
  runFailure,
  type Bound,
  type BoundFeeds,
  type BoundTargets,
  type Feeds,
  type Fetches,
  type KeptValue,
  type Session,
  type SessionOptions,
  type Tensor,
} from './session.js';

const levels = { disabled: 0, basic: 1, extended: 2, all: 99 } as const;

/**
 * Opens the ONNX Runtime that this process has loaded, or else the one that the environment variable FASTSDE_ONNXRUNTIME names
 * (a file, or the folder that it lies in), or else that of onnxruntime-node.
 *
 * @throws LoadError that names the library, what is wrong with it and what to do.
 */
export function openRuntime(): Promise<NativeLibrary> {
  opened ??= open().catch((cause: unknown) => {
    opened = undefined;
    throw cause;
  });
  return opened;
}

let opened: Promise<NativeLibrary> | undefined;

async function open(): Promise<NativeLibrary> {
  const asked = process.env['FASTSDE_ONNXRUNTIME'] ?? '';
  try {
    return await addon().openRuntime(
      asked === '' ? undefined : libraryIn(asked),
      asked === '' ? nodeLibrary() : undefined,
    );
  } catch (cause) {
    if (cause instanceof LoadError) throw cause;
    throw new LoadError(`Sessions of ONNX Runtime cannot be made: ${oneLine(cause)}.`, { cause });
  }
}

/** The library at a path, or in a folder. */
function libraryIn(place: string): string {
  if (!existsSync(place)) {
    throw new LoadError(`FASTSDE_ONNXRUNTIME names ${place}, which does not exist.`, { value: place });
  }
  if (!statSync(place).isDirectory()) return path.resolve(place);
  const name = readdirSync(place).find((file) => file.startsWith('libonnxruntime.so'));
  if (name === undefined) {
    throw new LoadError(`FASTSDE_ONNXRUNTIME names ${place}, a folder without libonnxruntime.so.`, {
      value: place,
    });
  }
  return path.resolve(place, name);
}

/** The library that onnxruntime-node brings along, where that is installed. */
function nodeLibrary(): string | undefined {
  let root: string;
  try {
    root = path.dirname(path.dirname(createRequire(import.meta.url).resolve('onnxruntime-node')));
  } catch {
    return undefined;
  }
  const bin = path.join(root, 'bin');
  for (const version of existsSync(bin) ? readdirSync(bin) : []) {
    const folder = path.join(bin, version, process.platform, process.arch);
    const name =
      existsSync(folder) && readdirSync(folder).find((file) => file.startsWith('libonnxruntime.so'));
    if (name) return path.join(folder, name);
  }
  return undefined;
}

/** A session of the addon's own, in the library that {@link openRuntime} opens; on the CPU or, by CUDA, on the first GPU. */
export async function createOwnSession(
  source: string | Uint8Array,
  options: SessionOptions,
): Promise<Session> {
  const { provider, tf32 = false } = options;
  const { path: library } = await openRuntime();
  if (provider === 'cuda') await addon().loadLibraries(cudaLibraries(library));
  const { threads = 0, optimization = 'all', memoryPattern = false, folder, optimizedModelPath } = options;
  const entries = ['session.intra_op.allow_spinning', '0'];
  if (folder !== undefined) entries.push('session.model_external_initializers_file_folder_path', folder);
  const { session, isOnGpu, inputs, outputs } = await addon()
    .createSession(
      source,
      threads,
      levels[optimization],
      memoryPattern,
      optimizedModelPath,
      entries,
      provider === 'cuda' ? tf32 : undefined,
    )
    .catch((cause: unknown) => {
      throw provider === 'cuda' && !(cause instanceof TypeError) ? explainCuda(library, cause) : cause;
    });
  try {
    const device = isOnGpu ? 'cuda' : 'cpu';
    return new OwnSession(session, device, inputs.map(tensorInfo), outputs.map(tensorInfo));
  } catch (cause) {
    await addon().closeSession(session);
    throw cause;
  }
}

/** Sessions that nobody holds any more are closed. */
const abandoned = new FinalizationRegistry((session: number) => {
  void addon().closeSession(session);
});

let lastCall = 0;

class OwnSession implements Session {
  readonly device: DeviceName;
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
  readonly #id: number;
  #closed = false;

  constructor(id: number, device: DeviceName, inputs: readonly TensorInfo[], outputs: readonly TensorInfo[]) {
    this.#id = id;
    this.device = device;
    this.inputs = inputs;
    this.outputs = outputs;
    abandoned.register(this, id, this);
  }

  async run(
    ...[feeds, fetches, { signal } = {}]: Parameters<Session['run']>
  ): Promise<Record<string, Tensor>> {
    signal?.throwIfAborted();
    const number = ++lastCall;
    const terminate = () => {
      addon().terminateCall(number);
    };
    signal?.addEventListener('abort', terminate);
    try {
      const call = this.#call(feeds, fetches);
      return call.named(await addon().runSession(this.#id, number, ...call.parameters));
    } catch (cause) {
      signal?.throwIfAborted();
      throw cause instanceof ModelError ? cause : runFailure(feeds, cause);
    } finally {
      signal?.removeEventListener('abort', terminate);
    }
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- errors are rejections, as those of run() are
  async runHere(feeds: Feeds, fetches?: Fetches): Promise<Record<string, Tensor>> {
    try {
      const call = this.#call(feeds, fetches);
      return call.named(addon().runSessionHere(this.#id, ...call.parameters));
    } catch (cause) {
      throw cause instanceof ModelError ? cause : runFailure(feeds, cause);
    }
  }

  bind(
    device: Device,
    feeds: BoundFeeds,
    targets: BoundTargets,
    explain: (cause: ModelError) => Error = (cause) => cause,
  ): Bound {
    if (this.#closed) throw closedError();
    const given = listFeeds(feeds, this.inputs).map((value, port) => ({ value, port }));
    const arrays = given.flatMap(({ value, port }) => ('by' in value ? [] : [{ ...value, port }]));
    const kept = given.flatMap(({ value, port }) => ('by' in value ? keptInput(value, port) : []));
    const names = Object.keys(targets);
    listFetches(names, this.outputs);
    const wanted = names.map((name) => targets[name]);
    const shapes = [...arrays, ...wanted.filter((tensor) => tensor !== undefined)].flatMap(({ dims }) => [
      dims.length,
      ...dims,
    ]);
    const shown = Object.fromEntries(arrays.map((tensor) => [this.inputs[tensor.port]!.name, tensor]));
    const failed = (message: string) => explain(runFailure(shown, message));
    let run: BoundRun;
    try {
      run = device.bind(this.#id, {
        inputs: new Int32Array(arrays.map(({ port }) => port)),
        feeds: arrays.map(({ data }) => data),
        outputs: new Int32Array(names.map((name) => this.#outputNumber(name))),
        targets: wanted.map((tensor) => tensor?.data),
        shapes: new Float64Array(shapes),
        kept: new Int32Array(kept),
      });
    } catch (cause) {
      throw explain(runFailure(shown, cause));
    }
    const bound = () => {
      device.run(run, failed);
    };
    runs.set(bound, { run, names });
    return bound;
  }

  #outputNumber(name: string): number {
    return this.outputs.findIndex((known) => known.name === name);
  }

  async release(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    abandoned.unregister(this);
    await addon().closeSession(this.#id);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }

  #call(feeds: Feeds, fetches: Fetches | undefined): Call {
    if (this.#closed) throw closedError();
    return new Call(this.outputs, listFeeds(feeds, this.inputs), listFetches(fetches, this.outputs));
  }
}

/** The runs that were bound, with the outputs that each computes. */
const runs = new WeakMap<Bound, { readonly run: BoundRun; readonly names: readonly string[] }>();

/** A kept value as the device knows it. */
function keptInput({ by, name }: KeptValue, port: number): [port: number, run: number, output: number] {
  const { run, names } = runs.get(by)!;
  return [port, run.number, names.indexOf(name)];
}

/** What a run takes and gives, as the addon wants it. Made without detours: a small network runs in 2 us. */
class Call {
  readonly parameters: [
    inputs: Int32Array,
    feeds: Tensor['data'][],
    outputs: Int32Array,
    targets: (Tensor['data'] | undefined)[],
    shapes: Float64Array,
  ];
  readonly #fetches: readonly [string, (Tensor | undefined)?][];

  constructor(
    outputs: readonly TensorInfo[],
    feeds: readonly Tensor[],
    fetches: readonly [string, (Tensor | undefined)?][],
  ) {
    this.#fetches = fetches;
    const shapes: number[] = [];
    const dataOf = ({ data, dims }: Tensor) => {
      shapes.push(dims.length, ...dims);
      return data;
    };
    this.parameters = [
      new Int32Array(feeds.map((_, i) => i)),
      feeds.map(dataOf),
      new Int32Array(fetches.map(([name]) => outputs.findIndex((known) => known.name === name))),
      fetches.map(([, tensor]) => tensor && dataOf(tensor)),
      new Float64Array(shapes),
    ];
  }

  /** The outputs by name. */
  named(results: readonly (NativeResult | undefined)[]): Record<string, Tensor> {
    return Object.fromEntries(
      this.#fetches.map(([name, tensor], i) => [name, tensor ?? tensorOf(name, results[i]!)]),
    );
  }
}

function tensorOf(name: string, { type, shape, data }: NativeResult): Tensor {
  const Type = arrays[dataTypeName(type) as keyof typeof arrays] as typeof Float32Array | undefined;
  if (Type === undefined)
    throw new ModelError(`The output "${name}" is of a type that fastsde does not read.`);
  return { data: new Type(data), dims: shape };
}

const arrays = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  bool: Uint8Array,
} as const;

function tensorInfo({ name, type, shape }: NativePort): TensorInfo {
  const known = dataTypeName(type);
  if (known === undefined) throw new ModelError(`"${name}" is not a tensor.`, { value: name });
  return { name, type: known, shape };
}
