import { extname } from 'node:path';
import { DataError, FastsdeError } from '../../errors.js';
import { decodeNpy } from '../../io/npy.js';
import { readBytes, readJson } from '../../io/read.js';
import { entryOf, isList, isRecord } from '../../options.js';
import { ladderFromName, ladderFromNumbers, zeroTerminalSnr } from '../../sde/named-ladder.js';
import type { LadderName } from '../../sde/names.js';
import type { Scheduler } from '../../sde/scheduler.js';
import type { Ladder } from '../../sde/sde.js';
import type { Parameterization } from '../model.js';
import { pathOf, type FilePath } from '../../io/path.js';
import { checkSwitches } from './config-entries.js';
import type { DescriptionOptions } from './description.js';
import { edmProcessOf, schedulerOf } from './scheduler-file.js';

/** What a file says of the levels on which a network was trained. */
export interface LadderReading {
  /** The levels. */
  readonly ladder: Ladder;
  /** What the network's output means, where the file says that too. */
  readonly parameterization?: Parameterization;
  /** How a scheduler of diffusers draws. */
  readonly scheduler?: Scheduler;
}

/** The names of diffusers. */
const schedules: Readonly<Record<string, LadderName>> = {
  linear: 'linear',
  scaled_linear: 'scaled-linear',
  squaredcos_cap_v2: 'cosine',
};
const predictions: Readonly<Record<string, Parameterization>> = {
  epsilon: 'eps',
  v_prediction: 'v',
  sample: 'x0',
};

/**
 * Reads a ladder: betas or falling alpha^2 in a .npy file or a JSON array, or a `scheduler_config.json` of diffusers, of which the betas,
 * `rescale_betas_zero_snr`, `prediction_type` and how it draws are taken.
 *
 * @throws DataError for a file that is none of these, with its name.
 */
export async function readLadder(file: FilePath): Promise<LadderReading> {
  const path = pathOf('path', file);
  if (extname(path).toLowerCase() === '.npy') {
    const { data, shape } = decodeNpy(await readBytes(path), path);
    if (shape.length !== 1)
      throw new DataError(`${path} is no list of numbers: its shape is [${shape.join(', ')}].`);
    return { ladder: named(path, () => ladderFromNumbers(Array.from(data, Number))) };
  }
  const json = await readJson(path);
  if (isList(json)) return { ladder: named(path, () => ladderFromNumbers(numbersIn(path, json))) };
  if (isRecord(json) && ('beta_schedule' in json || 'trained_betas' in json))
    return readScheduler(path, json);
  if (isRecord(json) && 'shift' in json) throw flowScheduler(path, json);
  const process = isRecord(json) && edmProcessOf(path, json);
  if (process) throw edmScheduler(path, process);
  const name =
    isRecord(json) && typeof json['_class_name'] === 'string' ? ` (it is a ${json['_class_name']})` : '';
  throw new DataError(
    `${path} holds no ladder${name}: expected an array of betas or of falling alpha^2, or a scheduler_config.json of diffusers.`,
    { value: path },
  );
}

function readScheduler(path: string, config: Readonly<Record<string, unknown>>): LadderReading {
  const { trained_betas: trained, beta_schedule: schedule, prediction_type: prediction = 'epsilon' } = config;
  const { num_train_timesteps: levels, beta_start: betaStart, beta_end: betaEnd } = config;
  checkSwitches(path, config);
  const parameterization = entryOf(predictions, prediction);
  if (parameterization === undefined) {
    const known = Object.keys(predictions).join(', ');
    throw new DataError(`${path}: its prediction_type ${JSON.stringify(prediction)} is none of ${known}.`);
  }
  const ladder = named(path, () => {
    if (trained !== undefined && trained !== null) {
      const betas = isList(trained) ? numbersIn(path, trained) : [];
      if (betas.length === (levels ?? betas.length)) return ladderFromNumbers(betas);
      const got = isList(trained) ? `${betas.length} of them` : JSON.stringify(trained);
      throw new DataError(
        `${path}: its trained_betas must be a list of numbers, one for each of its num_train_timesteps (${String(levels)}); got ${got}.`,
      );
    }
    const name = entryOf(schedules, schedule);
    if (name === undefined) {
      const known = Object.keys(schedules).join(', ');
      throw new DataError(`${path}: its beta_schedule ${JSON.stringify(schedule)} is none of ${known}.`);
    }
    // Where a file of diffusers is silent, these hold for every schedule.
    const betas = { betaStart: (betaStart ?? 1e-4) as number, betaEnd: (betaEnd ?? 0.02) as number };
    const constants = name === 'cosine' ? {} : betas;
    return ladderFromName({ name, levels: levels as number, ...constants });
  });
  const rescaled = config['rescale_betas_zero_snr'] === true ? zeroTerminalSnr(ladder) : ladder;
  return { ladder: rescaled, parameterization, scheduler: schedulerOf(path, config) };
}

/** Flow matching has no ladder; what its scheduler says, flags say. */
function flowScheduler(
  path: string,
  { shift, use_dynamic_shifting: dynamic }: Record<string, unknown>,
): DataError {
  const grid = dynamic === true ? 'the shift that belongs to the size of the picture' : JSON.stringify(shift);
  return new DataError(
    `${path} is the scheduler of a flow, which has no ladder. Give --sde flow --parameterization flow --labels 't*1000', and to sample with ` +
      `its steps --solver ddim --grid shifted --rho with ${grid}.`,
    { value: path },
  );
}

/** Nor has EDM. */
function edmScheduler(path: string, { constants, scheduler }: DescriptionOptions): DataError {
  const given = Object.entries(constants!).map(([name, value]) => `${name}=${value}`);
  return new DataError(
    `${path} is the scheduler of an EDM network, which has no ladder. Give --sde edm --sde-constants ${given.join()} --parameterization edm ` +
      `--labels c-noise, and to sample with its steps --solver ${scheduler!.solver!.name} --grid karras.`,
    { value: path },
  );
}

function numbersIn(path: string, list: readonly unknown[]): number[] {
  const wrong = list.findIndex((value) => typeof value !== 'number');
  if (wrong < 0) return list as number[];
  throw new DataError(
    `${path}: entry ${wrong} is ${JSON.stringify(list[wrong])}, where a number is expected.`,
  );
}

/** What is wrong with the contents of a file is told with its name. */
function named(path: string, read: () => Ladder): Ladder {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof FastsdeError) || cause instanceof DataError) throw cause;
    throw new DataError(`${path}: ${cause.message}`, { value: path, cause });
  }
}
