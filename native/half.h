// IEEE 754 half precision, as bits, for networks that take or give it. Shared by the CPU and CUDA.
#pragma once

#include "numerics.h"

namespace fastsde {

/** To nearest, ties to even; overflow gives infinity, and NaN the quiet one. */
FASTSDE_INLINE uint16_t halfOf(float value) {
    const uint32_t word = static_cast<uint32_t>(bitsOf(value));
    const uint32_t sign = (word >> 16) & 0x8000, size = word & 0x7fffffff;
    if (size >= 0x7f800000) return static_cast<uint16_t>(sign | (size > 0x7f800000 ? 0x7e00 : 0x7c00));
    if (size >= 0x477ff000) return static_cast<uint16_t>(sign | 0x7c00);
    // Below 2^-14 a half is a multiple of 2^-24, and adding 1/2 to a float rounds to just that.
    if (size < 0x38800000) {
        const uint32_t rounded = static_cast<uint32_t>(bitsOf(add(magnitude(value), 0.5f)));
        return static_cast<uint16_t>(sign | (rounded - 0x3f000000));
    }
    const uint32_t odd = (size >> 13) & 1;
    return static_cast<uint16_t>(sign | ((size - 0x38000000 + 0xfff + odd) >> 13));
}

FASTSDE_INLINE float floatOfHalf(uint16_t half) {
    const uint32_t exponent = (half >> 10) & 0x1f, fraction = half & 0x3ff, sign = half & 0x8000u;
    if (exponent == 31 && fraction != 0) return floatOf(0x7fc00000);
    const float size = exponent == 0 ? multiply(toFloat(static_cast<int32_t>(fraction)), 0x1p-24f)
                       : exponent == 31
                           ? floatOf(0x7f800000)
                           : floatOf(static_cast<int32_t>(((exponent + 112) << 23) | (fraction << 13)));
    return sign != 0 ? -size : size;
}

}  // namespace fastsde
