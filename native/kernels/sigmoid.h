// The logistic function in single precision, of the same bits on every instruction set.
#pragma once

#include "exponential.h"

namespace fastsde {

/**
 * 1 / (1 + e^-x), within 2 units in the last place; NaN stays. Beyond 87 it is 1, or 1e-38. The sign changes after the bounds: before them,
 * GCC takes the second one for a branch, and x sigmoid(x) is no loop of vectors any more (8 times as slow).
 */
FASTSDE_INLINE float sigmoid(float x) { return 1.f / add(1.f, exponential(-withinExponents(x))); }

/** The derivative of x sigmoid(x). */
FASTSDE_INLINE float siluSlope(float x) {
    const float s = sigmoid(x);
    return multiply(s, add(1.f, multiply(x, add(1.f, -s))));
}

}  // namespace fastsde
