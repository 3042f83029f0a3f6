import { Stream } from '../device/binding.js';
import { fillNormal, fillUniform } from '../device/kernels.js';
import { ParticleSystem } from './particle-system.js';
import type { ParticleOptions, Particles } from './particles.js';

/**
 * The particle systems of some samples, one for each, so that nothing couples samples. Rows of states are particle by particle, each
 * with all samples: row p * size + b is particle p of sample b.
 */
export class ParticleSystems {
  readonly rows: number;
  readonly #options: ParticleOptions;
  readonly #systems: readonly ParticleSystem[];
  readonly #uniforms: Float32Array;

  /** @param logEvidence of each sample, what no particle has to do with. */
  constructor(options: ParticleOptions, logEvidence: ArrayLike<number>) {
    const { particles, essThreshold, size } = options;
    this.rows = particles * size;
    this.#options = options;
    this.#systems = Array.from(
      { length: size },
      (_, b) => new ParticleSystem(particles, essThreshold, logEvidence[b]!),
    );
    this.#uniforms = new Float32Array(size);
  }

  /** Fills rows with normals: the noise of a particle has an address of its own. */
  drawNormals(z: Float32Array, step: number, stream: number): void {
    const { particles, size, seed, first } = this.#options;
    const length = z.length / particles;
    for (let particle = 0; particle < particles; particle++)
      fillNormal(z.subarray(particle * length, (particle + 1) * length), size, {
        ...{ seed, samples: first, step, stream },
        particle,
      });
  }

  weigh(row: number, logGain: number): void {
    const { size } = this.#options;
    this.#systems[row % size]!.weigh(Math.floor(row / size), logGain);
  }

  /** The row that each row goes on from: another one where particles are drawn anew. */
  parents(step: number): Int32Array {
    const { size } = this.#options;
    const parents = Int32Array.from({ length: this.rows }, (_, row) => row);
    this.#drawUniforms(step);
    this.#systems.forEach((system, b) => {
      const chosen = system.resample(this.#uniforms[b]!);
      chosen?.forEach((parent, p) => (parents[p * size + b] = parent * size + b));
    });
    return parents;
  }

  /** The state of one particle of each sample, drawn by the weights. */
  pick(x: Float32Array, step: number): Float32Array {
    const { size } = this.#options;
    const width = x.length / this.rows;
    const picked = new Float32Array(size * width);
    this.#drawUniforms(step);
    this.#systems.forEach((system, b) => {
      const row = system.pick(this.#uniforms[b]!) * size + b;
      picked.set(x.subarray(row * width, (row + 1) * width), b * width);
    });
    return picked;
  }

  /** What is known of each sample. */
  get figures(): Pick<Particles, 'effectiveSampleSize' | 'logEvidence'> {
    return {
      effectiveSampleSize: Float64Array.from(this.#systems, ({ least }) => least),
      logEvidence: Float64Array.from(this.#systems, ({ logEvidence }) => logEvidence),
    };
  }

  #drawUniforms(step: number): void {
    const { size, seed, first } = this.#options;
    fillUniform(this.#uniforms, size, { seed, samples: first, step, stream: Stream.resampling });
  }
}
