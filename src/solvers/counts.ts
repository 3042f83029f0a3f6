/** Evaluations that each sample went through, by purpose and by network. */
export interface Counts {
  /** Score evaluations of predictors and correctors. */
  score: number;
  /** Evaluations of the final denoising. */
  denoise: number;
  /** Evaluations in steps that an adaptive solver rejected. */
  rejected: number;
  /** Jacobian-vector products. */
  jvp: number;
  /** Vector-Jacobian products. */
  vjp: number;
  /** Runs of each network in these evaluations, by its name in the model's `cost`: a guided model has several. */
  networks: Record<string, number>;
}

export function noCounts(): Counts {
  return { score: 0, denoise: 0, rejected: 0, jvp: 0, vjp: 0, networks: {} };
}

/** All evaluations of a sample, whatever for. */
export function evaluationsOf({ score, denoise, rejected, jvp, vjp }: Counts): number {
  return score + denoise + rejected + jvp + vjp;
}
