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

/** What brings a gradient down to a norm, where its own, the root of the sum of the squares, is larger: else 1. */
FASTSDE_INLINE double clipScale(const double* squares, size_t count, double limit) {
    double sum = 0;
    for (size_t i = 0; i < count; ++i) sum = add(sum, squares[i]);
    const double norm = squareRoot(sum);
    return norm > limit ? limit / norm : 1;
}

FASTSDE_INLINE float averaged(float decay, float mean, float p) {
    return multiplyAdd(decay, add(mean, -p), p);
}

}  // namespace fastsde
