// Dot products in double, in which products of floats are exact: 8 to 16 bytes of traffic per element.
#include "declarations.h"
#include "sums.h"

namespace fastsde::FASTSDE_ISA {
namespace {

template <typename A, typename B>
double dotProduct(const A* a, const B* b, size_t n) {
    return sumOf<double>(n, [=](size_t i, double sum) __attribute__((always_inline)) {
        return multiplyAdd(static_cast<double>(a[i]), static_cast<double>(b[i]), sum);
    });
}

}  // namespace

double dot(const float* a, const float* b, size_t n) { return dotProduct(a, b, n); }
double dotDouble(const double* a, const double* b, size_t n) { return dotProduct(a, b, n); }
double dotMixed(const double* a, const float* b, size_t n) { return dotProduct(a, b, n); }

}  // namespace fastsde::FASTSDE_ISA
