// SiLU, x sigmoid(x), and its gradient (Ramachandran et al. 2017): 8 and 12 bytes of traffic per element, about 20 operations.
#include "declarations.h"
#include "sigmoid.h"

namespace fastsde::FASTSDE_ISA {

void silu(const float* x, float* y, size_t n) {
    FASTSDE_INDEPENDENT
    for (size_t i = 0; i < n; ++i) y[i] = multiply(x[i], sigmoid(x[i]));
}

void siluGradient(const float* dy, const float* x, float* dx, size_t n) {
    FASTSDE_INDEPENDENT
    for (size_t i = 0; i < n; ++i) dx[i] = multiply(dy[i], siluSlope(x[i]));
}

}  // namespace fastsde::FASTSDE_ISA
