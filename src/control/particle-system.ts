/**
 * Weights of samples that were drawn for one and the same measurement, each by particles of its own: in proportion to their estimates
 * of p(y), so that weighted means converge to those of the posterior as samples are added, with any number of particles.
 */
export function evidenceWeights(logEvidence: Float64Array): Float64Array {
  const most = logEvidence.reduce((a, b) => Math.max(a, b), -Infinity);
  const weights = logEvidence.map((value) => Math.exp(value - most));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}

/** The particles of one sample by their weights. */
export class ParticleSystem {
  /** The logarithm of the estimate of p(y) so far. */
  logEvidence: number;
  least: number;
  readonly #logWeights: Float64Array;
  readonly #threshold: number;

  constructor(particles: number, essThreshold: number, logEvidence: number) {
    this.logEvidence = logEvidence;
    this.least = particles;
    this.#logWeights = new Float64Array(particles);
    this.#threshold = essThreshold * particles;
  }

  weigh(particle: number, logGain: number): void {
    this.#logWeights[particle]! += logGain;
  }

  /** The parents of new particles (systematic resampling with one uniform number), where the weights are too unequal. */
  resample(uniform: number): Int32Array | undefined {
    const { shares, size } = this.#shares();
    if (size >= this.#threshold) return undefined;
    this.#collect();
    const K = shares.length;
    let [parent, above] = [0, shares[0]!];
    return Int32Array.from(shares, (_, p) => {
      while ((p + uniform) / K > above && parent < K - 1) above += shares[++parent]!;
      return parent;
    });
  }

  /** One particle, drawn by the weights. */
  pick(uniform: number): number {
    const { shares } = this.#shares();
    this.#collect();
    let [particle, above] = [0, shares[0]!];
    while (uniform > above && particle < shares.length - 1) above += shares[++particle]!;
    return particle;
  }

  /** The mean weight goes into the evidence; the weights are equal again. */
  #collect(): void {
    const most = this.#logWeights.reduce((a, b) => Math.max(a, b), -Infinity);
    const sum = this.#logWeights.reduce((total, weight) => total + Math.exp(weight - most), 0);
    this.logEvidence += most + Math.log(sum / this.#logWeights.length);
    this.#logWeights.fill(0);
  }

  /** The weights as shares of 1, and the effective sample size. */
  #shares(): { shares: Float64Array; size: number } {
    const shares = evidenceWeights(this.#logWeights);
    const size = 1 / shares.reduce((sum, share) => sum + share * share, 0);
    this.least = Math.min(this.least, size);
    return { shares, size };
  }
}
