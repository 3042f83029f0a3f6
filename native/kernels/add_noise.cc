// x + e^(shift + factor v) z: 12 bytes of traffic per element of a single state, which hide behind the arithmetic of the noise.
#include "declarations.h"
#include "exponential.h"

namespace fastsde::FASTSDE_ISA {

void addNoise(float* x, const float* v, const float* z, float shift, float factor, size_t n) {
    FASTSDE_INDEPENDENT
    for (size_t i = 0; i < n; ++i) x[i] = multiplyAdd(exponential(withinExponents(multiplyAdd(factor, v[i], shift))), z[i], x[i]);
}

void addNoiseDouble(double* x, const float* v, const float* z, float shift, float factor, size_t n) {
    FASTSDE_INDEPENDENT
    for (size_t i = 0; i < n; ++i)
        x[i] = multiplyAdd(static_cast<double>(exponential(withinExponents(multiplyAdd(factor, v[i], shift)))), static_cast<double>(z[i]), x[i]);
}

}  // namespace fastsde::FASTSDE_ISA
