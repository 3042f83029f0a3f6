// Vectors of a mixture of Gaussians, in double: 24 bytes of traffic per element.
#include "declarations.h"

namespace fastsde::FASTSDE_ISA {

void displace(double* out, const double* x, const double* mean, double alpha, size_t n) {
    for (size_t i = 0; i < n; ++i) out[i] = add(x[i], -multiply(alpha, mean[i]));
}

void products(double* out, const double* a, const double* b, size_t n) {
    FASTSDE_INDEPENDENT
    for (size_t i = 0; i < n; ++i) out[i] = multiply(a[i], b[i]);
}

}  // namespace fastsde::FASTSDE_ISA
