import { join } from 'node:path';
import type { Dataset } from '../../data/dataset.js';
import { openEngines } from '../../engine/engines.js';
import { modelBytes, type Model } from '../../onnx/file/model.js';
import { loadModel, type LoadOptions } from '../../score/network/load.js';
import { isImageShape } from '../../shape.js';
import { quietRuntime } from '../shared/model.js';
import { writeSamples } from '../shared/outputs.js';

/** What is drawn of a network that is being trained; it is not probed, since early on it knows nothing yet. */
export class TrainingPictures {
  readonly #folder: string;
  readonly #count: number;
  readonly #options: LoadOptions;
  readonly #signal: AbortSignal;

  /**
   * @param count Samples in a picture.
   * @param options where the network runs, and what it is fed beside state, time and class.
   */
  constructor(
    folder: string,
    count: number,
    options: Pick<LoadOptions, 'inputs' | 'provider' | 'tf32'>,
    signal: AbortSignal,
  ) {
    this.#folder = folder;
    this.#count = count;
    this.#options = { probe: false, ...options };
    this.#signal = signal;
  }

  /**
   * Draws samples in another thread, by 25 steps of Heun's method on the probability-flow ODE, always from the same noise, so
   * that pictures of different steps show the same samples.
   *
   * @returns the file that holds them.
   */
  async samples(network: Model, step: number): Promise<string> {
    const engines = await openEngines(modelBytes(network), { ...this.#options, threads: 1 });
    try {
      const { shape, classes, sde } = engines;
      const image = isImageShape(shape);
      const plane = shape.length === 1 && shape[0] === 2;
      const form = image ? 'grid' : plane ? 'scatter' : 'npy';
      const path = join(
        this.#folder,
        `samples-${String(step).padStart(6, '0')}.${form === 'npy' ? 'npy' : 'png'}`,
      );
      const drawn = await engines.sample({
        count: this.#count,
        batch: Math.min(this.#count, image ? 36 : 4096),
        solver: 'heun',
        steps: 25,
        grid: 'uniform-lambda',
        signal: this.#signal,
        ...(classes !== undefined && {
          classLabel: Int32Array.from({ length: this.#count }, (_, i) => i % classes),
        }),
      });
      await writeSamples({ path, form }, { ...drawn, first: 0 }, sde);
      return path;
    } finally {
      await engines.close();
    }
  }

  /** The density and the score field of a network of the plane, over its classes; undefined for other networks. */
  async density(network: Model, { data, labels }: Dataset): Promise<string | undefined> {
    await quietRuntime();
    const model = await loadModel(modelBytes(network), this.#options);
    try {
      if (model.shape.join() !== '2' || !(data instanceof Float32Array)) return;
      const { writePlane } = await import('../../evaluation/plane.js');
      const path = join(this.#folder, 'density.png');
      await writePlane(path, model, {
        data,
        signal: this.#signal,
        ...(model.classes !== undefined && labels && { labels }),
      });
      return path;
    } finally {
      await model.close();
    }
  }
}
