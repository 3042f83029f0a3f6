import { addon } from './addon.js';
import { requireBytes, requireFloat32, requireRange } from './arguments.js';

/**
 * Floats in [low, high] to bytes: round(255 (x - low) / (high - low)), to nearest with ties to even, clamped to 0..255.
 * NaN gives 0.
 */
export function toBytes(x: Float32Array, low: number, high: number, out: Uint8Array): void {
  requireFloat32('x', x);
  requireRange(low, high);
  requireBytes('out', out, x.length);
  addon().toBytes(x, low, high, out);
}

/** Bytes to floats: low + (high - low) byte / 255. */
export function fromBytes(bytes: Uint8Array, low: number, high: number, out: Float32Array): void {
  requireBytes('bytes', bytes);
  requireRange(low, high);
  requireFloat32('out', out, bytes.length);
  addon().fromBytes(bytes, low, high, out);
}
