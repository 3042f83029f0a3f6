// The error of a step in units of its tolerance, as adaptive integrators measure it: 24 bytes of traffic per element.
#include "declarations.h"

namespace fastsde::FASTSDE_ISA {
namespace {

constexpr size_t block = 256;  // squares made at a time, then added one after the other

/** The larger of two magnitudes, NaN if one of them is. */
FASTSDE_INLINE double largerOf(double a, double b) {
    const double left = __builtin_fabs(a), right = __builtin_fabs(b);
    return left >= right || left != left ? left : right;
}

}  // namespace

double scaledSquares(const double* error, const double* before, const double* after, double atol, double rtol,
                     size_t n) {
    double sum = 0;
    for (size_t begin = 0; begin < n; begin += block) {
        const size_t now = n - begin < block ? n - begin : block;
        double square[block];
        for (size_t i = 0; i < now; ++i) {
            const size_t e = begin + i;
            const double scaled = error[e] / add(atol, multiply(rtol, largerOf(before[e], after[e])));
            square[i] = multiply(scaled, scaled);
        }
        for (size_t i = 0; i < now; ++i) sum = add(sum, square[i]);
    }
    return sum;
}

}  // namespace fastsde::FASTSDE_ISA
