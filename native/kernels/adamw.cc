// AdamW (Loshchilov and Hutter 2019, algorithm 2) and exponential moving averages of the parameters.
// 28 bytes of traffic per element and 8 per average.
#include "declarations.h"

namespace fastsde::FASTSDE_ISA {

void adamw(float* p, const float* g, float* m, float* v, const AdamWStep& step, size_t n) {
    const AdamWStep c = step;
    FASTSDE_INDEPENDENT
    for (size_t i = 0; i < n; ++i) {
        const float gradient = multiply(c.gradientScale, g[i]), square = multiply(gradient, gradient);
        const float first = multiplyAdd(c.beta1, add(m[i], -gradient), gradient);
        const float second = multiplyAdd(c.beta2, add(v[i], -square), square);
        m[i] = first;
        v[i] = second;
        const float denominator = multiplyAdd(squareRoot(second), c.rootScale, c.epsilon);
        const float decayed = multiplyAdd(-c.decay, p[i], p[i]);
        p[i] = multiplyAdd(-c.rate, first / denominator, decayed);
    }
}

void average(float* mean, const float* p, float decay, size_t n) {
    FASTSDE_INDEPENDENT
    for (size_t i = 0; i < n; ++i) mean[i] = multiplyAdd(decay, add(mean[i], -p[i]), p[i]);
}

}  // namespace fastsde::FASTSDE_ISA
