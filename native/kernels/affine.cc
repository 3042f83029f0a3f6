// out = c0 x0 + c1 x1 + ... + cz z, left to right with fused multiply-adds: 4 bytes of traffic per array and
// element.
#include "declarations.h"

namespace fastsde::FASTSDE_ISA {
namespace {

template <size_t count>
struct Operands {
    const float* x[count];
    float c[count];

    Operands(const float* const* operands, const float* coefficients) {
        for (size_t j = 0; j < count; ++j) x[j] = operands[j], c[j] = coefficients[j];
    }

    float sum(size_t i) const {
        float s = multiply(c[0], x[0][i]);
        FASTSDE_UNROLL
        for (size_t j = 1; j < count; ++j) s = multiplyAdd(c[j], x[j][i], s);
        return s;
    }
};

template <size_t count>
void combine(float* out, float* mean, const float* const* operands, const float* c, float cz, const float* z,
             size_t n) {
    const Operands<count> terms(operands, c);
    if (z == nullptr) {
        FASTSDE_INDEPENDENT
        for (size_t i = 0; i < n; ++i) out[i] = terms.sum(i);
        if (mean != nullptr) __builtin_memcpy(mean, out, n * sizeof(float));
    } else if (mean == nullptr) {
        FASTSDE_INDEPENDENT
        for (size_t i = 0; i < n; ++i) out[i] = multiplyAdd(cz, z[i], terms.sum(i));
    } else {
        FASTSDE_INDEPENDENT
        for (size_t i = 0; i < n; ++i) {
            const float s = terms.sum(i);
            mean[i] = s;
            out[i] = multiplyAdd(cz, z[i], s);
        }
    }
}

using Combine = void (*)(float* out, float* mean, const float* const* operands, const float* c, float cz,
                         const float* z, size_t n);
constexpr Combine combineByCount[] = {combine<1>, combine<2>, combine<3>, combine<4>,
                                      combine<5>, combine<6>, combine<7>, combine<8>};
static_assert(sizeof combineByCount / sizeof combineByCount[0] == maxOperands);

}  // namespace

void affine(float* out, float* mean, const float* const* operands, const float* c, size_t count, float cz,
            const float* z, size_t n) {
    combineByCount[count - 1](out, mean, operands, c, cz, z, n);
}

void accumulateFloat(double* sum, double c, const float* x, size_t n) {
    for (size_t i = 0; i < n; ++i) sum[i] = multiplyAdd(c, static_cast<double>(x[i]), sum[i]);
}

void accumulateDouble(double* sum, double c, const double* x, size_t n) {
    FASTSDE_INDEPENDENT
    for (size_t i = 0; i < n; ++i) sum[i] = multiplyAdd(c, x[i], sum[i]);
}

void addNoise(double* sum, double cz, const float* z, size_t n) {
    for (size_t i = 0; i < n; ++i) sum[i] = multiplyAdd(cz, static_cast<double>(z[i]), sum[i]);
}

}  // namespace fastsde::FASTSDE_ISA
