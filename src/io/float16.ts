/** IEEE 754 half precision, for networks in float16 (Node 20 has no Float16Array). */

const scratch = new Float32Array(1);
const bits = new Uint32Array(scratch.buffer);

/** Rounds to nearest, ties to even; overflow gives infinity. */
export function toFloat16(values: Float32Array, out: Uint16Array): void {
  for (let i = 0; i < values.length; i++) {
    scratch[0] = values[i]!;
    const word = bits[0]!;
    const sign = (word >>> 16) & 0x8000;
    const magnitude = word & 0x7fffffff;
    if (magnitude >= 0x7f800000) out[i] = sign | (magnitude > 0x7f800000 ? 0x7e00 : 0x7c00);
    else if (magnitude >= 0x477ff000) out[i] = sign | 0x7c00;
    else if (magnitude < 0x38800000) {
      // Below 2^-14 a half is a multiple of 2^-24, and adding 1/2 to a float32 rounds to just that.
      scratch[0] = Math.abs(values[i]!) + 0.5;
      out[i] = sign | (bits[0]! - 0x3f000000);
    } else {
      const odd = (magnitude >>> 13) & 1;
      out[i] = sign | ((magnitude - 0x38000000 + 0xfff + odd) >>> 13);
    }
  }
}

export function fromFloat16(halves: Uint16Array, out: Float32Array): void {
  for (let i = 0; i < halves.length; i++) out[i] = fromHalf(halves[i]!);
}

/** The number that 16 bits stand for. */
export function fromHalf(half: number): number {
  const exponent = (half >>> 10) & 0x1f;
  const fraction = half & 0x3ff;
  const sign = half & 0x8000 ? -1 : 1;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
