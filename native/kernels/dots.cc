// Dot products in double: 16 lanes, lanes added in order. Products of floats are exact in double.
#include "declarations.h"

namespace fastsde::FASTSDE_ISA {
namespace {

template <typename A, typename B>
double dotProduct(const A* a, const B* b, size_t n) {
    double lane[lanes] = {};
    size_t i = 0;
    for (; i + lanes <= n; i += lanes)
        for (int l = 0; l < lanes; ++l)
            lane[l] = multiplyAdd(static_cast<double>(a[i + l]), static_cast<double>(b[i + l]), lane[l]);
    for (int l = 0; i + l < n; ++l)
        lane[l] = multiplyAdd(static_cast<double>(a[i + l]), static_cast<double>(b[i + l]), lane[l]);
    double sum = 0;
    for (int l = 0; l < lanes; ++l) sum += lane[l];
    return sum;
}

}  // namespace

double dot(const float* a, const float* b, size_t n) { return dotProduct(a, b, n); }
double dotDouble(const double* a, const double* b, size_t n) { return dotProduct(a, b, n); }
double dotMixed(const double* a, const float* b, size_t n) { return dotProduct(a, b, n); }

}  // namespace fastsde::FASTSDE_ISA
