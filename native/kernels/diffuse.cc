// Noised data and what a network should say of them: x = a x0 + b z and target = c x0 + d z, 12 bytes of
// traffic per element. Rows of images are mirrored on their way in.
#include "declarations.h"

namespace fastsde::FASTSDE_ISA {

void diffuse(float* x, float* target, const float* x0, const float* z, const Diffusion& at, size_t n) {
    if (target == nullptr) {
        FASTSDE_INDEPENDENT
        for (size_t i = 0; i < n; ++i) x[i] = multiplyAdd(at.b, z[i], multiply(at.a, x0[i]));
        return;
    }
    FASTSDE_INDEPENDENT
    for (size_t i = 0; i < n; ++i) {
        x[i] = multiplyAdd(at.b, z[i], multiply(at.a, x0[i]));
        target[i] = multiplyAdd(at.d, z[i], multiply(at.c, x0[i]));
    }
}

void mirror(const float* in, float* out, size_t n) {
    FASTSDE_INDEPENDENT
    for (size_t i = 0; i < n; ++i) out[i] = in[n - 1 - i];
}

void mirrorBytes(const uint8_t* bytes, float scale, float shift, float* out, size_t n) {
    FASTSDE_INDEPENDENT
    for (size_t i = 0; i < n; ++i) out[i] = multiplyAdd(toFloat(bytes[n - 1 - i]), scale, shift);
}

}  // namespace fastsde::FASTSDE_ISA
