// Replacement of the measured coordinates by alpha y + sigma z (Song et al. 2021, appendix I.2 to I.4).
#include "declarations.h"

namespace fastsde::FASTSDE_ISA {

void replace(float* x, const float* y, const float* mask, float alpha, float sigma, const float* z,
             size_t n) {
    FASTSDE_INDEPENDENT
    for (size_t i = 0; i < n; ++i) {
        const float known = multiplyAdd(sigma, z[i], multiply(alpha, y[i]));
        x[i] = mask[i] != 0.0f ? known : x[i];
    }
}

// x += basis (mask * (known - basis^T x)), so what is not measured keeps its value to rounding.
void replaceInBasis(float* x, const float* y, const float* mask, const float* basis, size_t channels,
                    size_t stride, float alpha, float sigma, const float* z, size_t n) {
    float change[maxChannels][basisBlock];
    for (size_t j = 0; j < channels; ++j) {
        float u[basisBlock] = {};
        for (size_t c = 0; c < channels; ++c) {
            const float m = basis[c * channels + j];
            const float* channel = x + c * stride;
            for (size_t i = 0; i < n; ++i) u[i] = multiplyAdd(m, channel[i], u[i]);
        }
        const float* yj = y + j * stride;
        const float* mj = mask + j * stride;
        const float* zj = z + j * n;
        for (size_t i = 0; i < n; ++i) {
            const float known = multiplyAdd(sigma, zj[i], multiply(alpha, yj[i]));
            change[j][i] = mj[i] != 0.0f ? add(known, -u[i]) : 0.0f;
        }
    }
    for (size_t c = 0; c < channels; ++c) {
        float* channel = x + c * stride;
        for (size_t j = 0; j < channels; ++j) {
            const float m = basis[c * channels + j];
            FASTSDE_INDEPENDENT
            for (size_t i = 0; i < n; ++i) channel[i] = multiplyAdd(m, change[j][i], channel[i]);
        }
    }
}

}  // namespace fastsde::FASTSDE_ISA
