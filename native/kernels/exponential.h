// e^x in single precision, of the same bits on every instruction set and on CUDA.
#pragma once

#include "../numerics.h"

namespace fastsde {

/** x kept between -87 and 87, where e^x is a normal number; NaN stays. */
FASTSDE_INLINE float withinExponents(float x) {
    const float low = x < -87.f ? -87.f : x;
    return low > 87.f ? 87.f : low;
}

/** e^y within 2 units in the last place, for y between -87 and 87; NaN stays: 2^k e^r with |r| <= ln 2 / 2, of degree 6 in r. */
FASTSDE_INLINE float exponential(float y) {
    constexpr float roundingShift = 0x1.8p23f;  // adding it rounds to an integer, which the low bits then are
    const float shifted = add(multiply(y, 0x1.715476p0f), roundingShift);
    const float k = add(shifted, -roundingShift);
    const float r = add(add(y, -multiply(k, 0x1.62e4p-1f)), -multiply(k, 0x1.7f7d1cp-20f));
    float e = 1.f / 720;
    e = add(multiply(e, r), 1.f / 120);
    e = add(multiply(e, r), 1.f / 24);
    e = add(multiply(e, r), 1.f / 6);
    e = add(multiply(e, r), 0.5f);
    e = add(multiply(e, r), 1.f);
    e = add(multiply(e, r), 1.f);
    const float power = floatOf(static_cast<int32_t>((static_cast<uint32_t>(bitsOf(shifted)) + 127u) << 23));
    return multiply(e, power);
}

}  // namespace fastsde
