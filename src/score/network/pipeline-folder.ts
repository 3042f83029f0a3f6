import { readdir } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { DataError, ModelError } from '../../errors.js';
import { isAbsent, readJson } from '../../io/read.js';
import { entryOf, isList, isRecord } from '../../options.js';
import type { Config } from './config-entries.js';
import type { DescriptionOptions } from './description.js';
import { readLadder } from './ladder-file.js';
import { edmProcessOf, flowSchedulerOf } from './scheduler-file.js';

/** A network in a folder, and what its config says. */
export interface PipelinePart {
  /** Of its ONNX file. */
  readonly path: string;
  readonly config: Config;
}

/** A decoder or an encoder, with the scale and shift of its latents. */
export interface AutoencoderPart extends PipelinePart {
  readonly latentScale: number;
  readonly latentShift: number;
}

/** What a folder in the layout of diffusers' ONNX exports holds. */
export interface PipelineFolder {
  readonly folder: string;
  /** The whole of `model_index.json`; `_class_name` names the pipeline. */
  readonly index: Config;
  readonly network: PipelinePart;
  /** What the configs say of the network, as options of `loadModel`. */
  readonly options: DescriptionOptions;
  /** The file that says of which process it is. */
  readonly scheduler: string;
  /** What the sides of a sample have to be multiples of. */
  readonly side: number;
}

/** How the networks that are known are called, fed and described, by the class in their config. */
const networks: Readonly<Record<string, DescriptionOptions>> = {
  UNet2DModel: {},
  UNet2DConditionModel: {},
  SD3Transformer2DModel: { names: { state: 'hidden_states', time: 'timestep' } },
};

/**
 * Reads the configs of a folder: `model_index.json`, `unet/` or `transformer/` with `model.onnx` and `config.json`, and
 * `scheduler/scheduler_config.json`.
 *
 * @throws DataError for a folder without these; ModelError for a pipeline, a network or a scheduler that is not known.
 */
export async function readPipeline(folder: string): Promise<PipelineFolder> {
  const index = await readJsonObject(join(folder, 'model_index.json'));
  if (index === undefined) {
    throw new DataError(
      `${folder} is a folder without model_index.json: give an ONNX file, or a folder as diffusers' ONNX export writes it.`,
      { option: 'model', value: folder },
    );
  }
  const network = (await readPart(folder, 'unet')) ?? (await readPart(folder, 'transformer'));
  if (!network)
    throw new DataError(
      `${folder} holds no network: expected unet/config.json or transformer/config.json beside model.onnx.`,
    );
  requireClass(join(folder, 'model_index.json'), index);
  requireClass(join(dirname(network.path), 'config.json'), network.config);
  const described = describe(folder, index, network.config);
  const scheduler = join(folder, 'scheduler', 'scheduler_config.json');
  const process = await readProcess(folder, scheduler, network.config);
  const side = sideOf(network.config);
  return { folder, index, network, scheduler, side, options: { ...described, ...process } };
}

/** Weights of other libraries, which may lie beside the ONNX files. */
const foreign = /\.(safetensors|bin|pt|pth|ckpt|h5|msgpack)$/;

/** The files in the sub-folders of a folder: networks with their external data, configs and tokenizers, in order. */
export async function pipelineFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => !entry.isDirectory() && !foreign.test(entry.name));
  const paths = files.map((entry) => relative(folder, join(entry.parentPath, entry.name)));
  return paths
    .filter((path) => dirname(path) !== '.')
    .sort()
    .map((path) => join(folder, path));
}

/** The part of a folder by its name; undefined where it has no config. */
export async function readPart(folder: string, name: string): Promise<PipelinePart | undefined> {
  const config = await readJsonObject(join(folder, name, 'config.json'));
  return config && { path: join(folder, name, 'model.onnx'), config };
}

/**
 * `vae_decoder/` or `vae_encoder/` of a folder.
 * @throws DataError where it is absent; ModelError where its latents are scaled channel by channel.
 */
export async function readAutoencoder(folder: string, kind: 'decoder' | 'encoder'): Promise<AutoencoderPart> {
  const part = await readPart(folder, `vae_${kind}`);
  if (!part)
    throw new DataError(`${folder} holds no vae_${kind}/config.json beside vae_${kind}/model.onnx.`, {
      option: kind,
      value: folder,
    });
  const {
    scaling_factor: scale,
    shift_factor: shift,
    latents_mean: mean,
    latents_std: deviation,
  } = part.config;
  if (isList(mean) || isList(deviation)) {
    throw new ModelError(
      `${folder}: The latents of its vae_${kind} are scaled channel by channel (latents_mean, latents_std), which fastsde does not do.`,
      { value: folder },
    );
  }
  if (
    !(isAbsentEntry(scale) || (isNumber(scale) && scale > 0)) ||
    !(isAbsentEntry(shift) || isNumber(shift))
  ) {
    const entries = JSON.stringify({ scaling_factor: scale, shift_factor: shift });
    throw new DataError(
      `${folder}: In its vae_${kind}/config.json scaling_factor must be a number above 0, and shift_factor a number; got ${entries}.`,
      { option: kind, value: folder },
    );
  }
  return {
    ...part,
    // What AutoencoderKL has where older configs are silent.
    latentScale: scale ?? 0.18215,
    latentShift: shift ?? 0,
  };
}

const isAbsentEntry = (value: unknown): value is undefined | null => value === undefined || value === null;
const isNumber = (value: unknown): value is number => Number.isFinite(value);

/** An object of JSON; undefined where there is no such file. */
export async function readJsonObject(path: string): Promise<Config | undefined> {
  let json: unknown;
  try {
    json = await readJson(path);
  } catch (cause) {
    if (isAbsent(cause)) return undefined;
    throw cause;
  }
  if (isRecord(json)) return json;
  throw new DataError(`${path} holds no object of JSON.`, { value: path });
}

/** @throws DataError for a config that does not say of which class of diffusers it is. */
function requireClass(path: string, config: Config): void {
  const { _class_name: name } = config;
  if (typeof name === 'string' && name !== '') return;
  throw new DataError(
    `${path} does not say of which class it is (_class_name); got ${name === undefined ? 'nothing' : JSON.stringify(name)}. Is the folder complete?`,
    { value: path },
  );
}

/** The network's names and shape. */
function describe(folder: string, index: Config, config: Config): DescriptionOptions {
  const name = String(config['_class_name']);
  const known = entryOf(networks, name);
  if (known === undefined) {
    throw new ModelError(
      `${folder} is a ${String(index['_class_name'])} with a ${name}; of folders fastsde reads ${Object.keys(networks).join(', ')}. ` +
        'Its ONNX file may load by itself, with flags or options that say what it is.',
      { value: folder },
    );
  }
  const { in_channels: channels, out_channels: made, sample_size: size } = config;
  if (typeof made === 'number' && made !== channels) {
    const why =
      channels === 9
        ? 'it is a network for inpainting, which takes a mask and a masked picture beside the latent'
        : 'its state and its output are not of one shape';
    throw new ModelError(
      `${folder}: Its network takes ${String(channels)} channels and gives ${made}: ${why}.`,
      { value: folder },
    );
  }
  const sizes = isList(size) ? size : [size, size];
  const shape = [channels, ...sizes];
  return shape.every((entry) => typeof entry === 'number') ? { ...known, shape } : known;
}

/** A U-Net halves the sides after every level but the last, a transformer cuts patches: both put together again what was whole. */
function sideOf({ down_block_types: levels, patch_size: patch }: Config): number {
  if (isList(levels)) return 2 ** Math.max(0, levels.length - 1);
  return isNumber(patch) ? patch : 1;
}

/** The forward process and the meaning of the output. */
async function readProcess(folder: string, path: string, network: Config): Promise<DescriptionOptions> {
  const config = await readJsonObject(path);
  if (!config)
    throw new DataError(
      `${folder} holds no scheduler/scheduler_config.json, which says on what its network was trained.`,
    );
  requireClass(path, config);
  const name = String(config['_class_name']);
  if (name.startsWith('FlowMatch')) {
    const { num_train_timesteps: levels = 1000 } = config;
    const scheduler = flowSchedulerOf(path, config, network['patch_size']);
    return { sde: 'flow', parameterization: 'flow', labels: `t*${String(levels)}`, scheduler };
  }
  return edmProcessOf(path, config) ?? { sde: 'vp', labels: 'index', ...(await readLadder(path)) };
}
