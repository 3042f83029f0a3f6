import { OptionError } from '../errors.js';
import { blockRows, checkFinite, type Features, type PassOptions } from './features.js';
import type { Estimate } from './frechet.js';

/**
 * The inception score exp(mean of KL(p(y | x) || p(y))) of logits (Salimans et al. 2016), of all samples at once. Published scores are
 * the mean over ten splits, which is lower. The standard error is by the delta method.
 *
 * @param logits [count, classes], such as the logits output of a feature network.
 * @throws OptionError for fewer than two samples or classes.
 */
export async function inceptionScore(
  logits: Features,
  { signal, onProgress }: PassOptions = {},
): Promise<Estimate> {
  const { count, width } = logits;
  if (count < 2 || width < 2)
    throw new OptionError('logits', [count, width], 'those of at least 2 samples and 2 classes');
  const marginal = new Float64Array(width);
  for await (const p of probabilities(logits, signal))
    for (let k = 0; k < p.length; k++) marginal[k % width]! += p[k]! / count;
  onProgress?.(0.5);
  const logMarginal = marginal.map(Math.log);
  let [n, mean, squares] = [0, 0, 0];
  for await (const p of probabilities(logits, signal))
    for (let i = 0; i < p.length; i += width) {
      let divergence = 0;
      for (let c = 0; c < width; c++) {
        const share = p[i + c]!;
        if (share > 0) divergence += share * (Math.log(share) - logMarginal[c]!);
      }
      const change = divergence - mean;
      mean += change / ++n;
      squares += change * (divergence - mean);
    }
  onProgress?.(1);
  const value = Math.exp(mean);
  return { value, standardError: value * Math.sqrt(squares / (n - 1) / n) };
}

/** Softmax, block by block. */
async function* probabilities(logits: Features, signal?: AbortSignal): AsyncGenerator<Float64Array> {
  const { count, width } = logits;
  for (let first = 0; first < count; first += blockRows) {
    signal?.throwIfAborted();
    const values = await logits.read(first, Math.min(blockRows, count - first));
    checkFinite(values, width, first);
    const p = Float64Array.from(values);
    for (let i = 0; i < p.length; i += width) {
      const row = p.subarray(i, i + width);
      const largest = row.reduce((a, b) => Math.max(a, b));
      let sum = 0;
      for (let c = 0; c < width; c++) sum += row[c] = Math.exp(row[c]! - largest);
      for (let c = 0; c < width; c++) row[c]! /= sum;
    }
    yield p;
  }
}
