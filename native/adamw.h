// AdamW (Loshchilov and Hutter 2019, algorithm 2) and exponential moving averages, of one parameter. Shared by the CPU kernels and
// CUDA.
#pragma once

#include "kernels/table.h"

namespace fastsde {

/** The parameter after a step; its moments are updated. */
FASTSDE_INLINE float adamwElement(const AdamWStep& c, float g, float& m, float& v, float p) {
    const float gradient = multiply(c.gradientScale, g), square = multiply(gradient, gradient);
    const float first = multiplyAdd(c.beta1, add(m, -gradient), gradient);
    const float second = multiplyAdd(c.beta2, add(v, -square), square);
    m = first;
    v = second;
    const float denominator = multiplyAdd(squareRoot(second), c.rootScale, c.epsilon);
    const float decayed = multiplyAdd(-c.decay, p, p);
    return multiplyAdd(-c.rate, first / denominator, decayed);
}

FASTSDE_INLINE float averaged(float decay, float mean, float p) {
    return multiplyAdd(decay, add(mean, -p), p);
}

}  // namespace fastsde
