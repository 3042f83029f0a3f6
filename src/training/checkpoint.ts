import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { difference } from '../difference.js';
import { DataError } from '../errors.js';
import { ensureFolder, removeLeftovers, writeAtomically } from '../io/atomic.js';
import { lockFolder, type FolderLock } from '../io/lock.js';
import { isAbsent, readBytes } from '../io/read.js';
import {
  decodeSafetensors,
  encodeSafetensors,
  type Float32Tensor,
  type Safetensors,
} from '../io/safetensors.js';
import { tensorsOf, type ParameterShape, type TrainingState } from './memory.js';

const FORMAT = 'fastsde training 2';
const BEST = 'best.safetensors';
const NUMBERED = /^step-(\d{8,})\.safetensors$/;

/** The loss of a checkpoint on held-out data. */
export interface Validation {
  /** The step of the checkpoint that was measured. */
  readonly step: number;
  /** Mean loss over the held-out data. */
  readonly loss: number;
}

/**
 * The checkpoints of a run in a folder: the newest ones, `step-<step>.safetensors`, and `best.safetensors`, that of the
 * smallest loss on held-out data. Each holds the whole state of the run, and in its metadata the run that it is of. The folder
 * is of this process alone until they are closed.
 */
export class Checkpoints {
  readonly #folder: string;
  readonly #lock: FolderLock;
  readonly #run: object;
  readonly #parameters: readonly ParameterShape[];
  readonly #keep: number;
  /** Steps of the numbered files, ascending. */
  #steps: number[];
  #best: Validation | undefined;

  private constructor(
    folder: string,
    lock: FolderLock,
    run: object,
    parameters: readonly ParameterShape[],
    keep: number,
    steps: number[],
  ) {
    this.#folder = folder;
    this.#lock = lock;
    this.#run = asJson(run);
    this.#parameters = parameters;
    this.#keep = keep;
    this.#steps = steps;
  }

  /**
   * @param run what two runs must have in common for one to go on from the other's checkpoint
   * @param keep numbered files that stay
   * @throws OutputError where the folder cannot be made, or another process trains into it.
   */
  static async open(
    folder: string,
    run: object,
    parameters: readonly ParameterShape[],
    keep: number,
  ): Promise<Checkpoints> {
    await ensureFolder(folder);
    const lock = await lockFolder(folder, { option: 'checkpoints.folder' });
    try {
      await removeLeftovers(folder, (name) => name === BEST || NUMBERED.test(name));
      const steps = (await readdir(folder)).flatMap((name) => {
        const step = NUMBERED.exec(name)?.[1];
        return step === undefined ? [] : [Number(step)];
      });
      steps.sort((a, b) => a - b);
      return new Checkpoints(folder, lock, run, parameters, keep, steps);
    } catch (cause) {
      await lock.release();
      throw cause;
    }
  }

  /** Leaves the folder to other processes. */
  close(): Promise<void> {
    return this.#lock.release();
  }

  /** The newest file. */
  get last(): string | undefined {
    const step = this.#steps.at(-1);
    return step === undefined ? undefined : join(this.#folder, numbered(step));
  }

  get best(): (Validation & { readonly path: string }) | undefined {
    return this.#best && { ...this.#best, path: join(this.#folder, BEST) };
  }

  /**
   * Reads the newest checkpoint into `state`; returns the number of steps made, 0 where there is none.
   * @throws DataError for a checkpoint that is damaged or of another run, naming what differs.
   */
  async restore(state: TrainingState): Promise<number> {
    const path = this.last;
    if (path === undefined) return 0;
    const { tensors, metadata } = await this.#read(path);
    for (const [name, values] of this.#tensors(state)) {
      const saved = tensors.get(name);
      if (saved?.shape.join() !== values.shape.join())
        throw new DataError(
          `${path} is damaged: it has no tensor "${name}" of shape [${values.shape.join(', ')}].`,
        );
      values.data.set(saved.data);
    }
    const best = join(this.#folder, BEST);
    const found = await this.#read(best).catch((error: unknown) => {
      if (error instanceof DataError && isAbsent(error.cause)) return undefined;
      throw error;
    });
    const validation = Number(found?.metadata['validation']);
    if (found) this.#best = { step: Number(found.metadata['step']), loss: validation };
    return Number(metadata['step']);
  }

  /**
   * Writes a checkpoint, and then removes those that are too old.
   * @throws OutputError; the files that were there before stay.
   */
  async write(step: number, state: TrainingState, validation: number | undefined): Promise<void> {
    const chunks = encodeSafetensors({
      tensors: this.#tensors(state),
      metadata: {
        format: FORMAT,
        step: String(step),
        ...(validation !== undefined && { validation: String(validation) }),
        run: JSON.stringify(this.#run),
      },
    });
    if (validation !== undefined && validation < (this.#best?.loss ?? Infinity)) {
      await writeAtomically(join(this.#folder, BEST), chunks);
      this.#best = { step, loss: validation };
    }
    await writeAtomically(join(this.#folder, numbered(step)), chunks);
    this.#steps = [...this.#steps.filter((other) => other !== step), step];
    for (const old of this.#steps.slice(0, -this.#keep))
      await rm(join(this.#folder, numbered(old)), { force: true });
    this.#steps = this.#steps.slice(-this.#keep);
  }

  async #read(path: string): Promise<Safetensors> {
    let file: Safetensors;
    let run: object;
    try {
      file = decodeSafetensors(await readBytes(path));
      run = JSON.parse(file.metadata['run'] ?? '') as object;
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new DataError(
        `The checkpoint ${path} cannot be read: ${why} Remove it to go on from an older one.`,
        {
          value: path,
          cause,
        },
      );
    }
    if (file.metadata['format'] !== FORMAT)
      throw new DataError(`${path} is no checkpoint of this version of fastsde (${FORMAT}).`, {
        value: path,
      });
    const differs = difference(run, this.#run);
    if (differs !== undefined) {
      throw new DataError(
        `${path} is of another run: ${differs}. Choose another folder, or give the same options to go on.`,
        { option: 'checkpoints.folder', value: this.#folder },
      );
    }
    return file;
  }

  /** The tensors of a state by their names in a file, as views. */
  #tensors({ parameters, firstMoments, secondMoments, averages }: TrainingState): Map<string, Float32Tensor> {
    const parts: Record<string, Float32Array> = { parameters, firstMoments, secondMoments };
    averages.forEach((values, k) => (parts[`averages.${k}`] = values));
    const tensors = new Map<string, Float32Tensor>();
    for (const [part, values] of Object.entries(parts))
      for (const [name, tensor] of tensorsOf(this.#parameters, values))
        tensors.set(`${part}.${name}`, tensor);
    return tensors;
  }
}

function numbered(step: number): string {
  return `step-${String(step).padStart(8, '0')}.safetensors`;
}

/** As it is after the way to a file and back. */
function asJson(run: object): object {
  const exact = (_: string, value: unknown): unknown => (typeof value === 'bigint' ? String(value) : value);
  return JSON.parse(JSON.stringify(run, exact)) as object;
}
