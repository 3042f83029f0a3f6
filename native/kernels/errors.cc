// The error of a step in units of its tolerance, as adaptive integrators measure it: 24 bytes of traffic per element.
#include "../scaled_error.h"
#include "declarations.h"

namespace fastsde::FASTSDE_ISA {
namespace {

constexpr size_t block = 256;  // squares made at a time, then added one after the other

template <typename Scale>
FASTSDE_INLINE double squares(const double* error, const double* before, const double* after, size_t n,
                              bool sums, const Scale& scale) {
    double all = 0;
    for (size_t begin = 0; begin < n; begin += block) {
        const size_t now = n - begin < block ? n - begin : block;
        double square[block];
        for (size_t i = 0; i < now; ++i) {
            const size_t e = begin + i;
            const double scaled = error[e] / scale(largerOf(before[e], after[e]));
            square[i] = multiply(scaled, scaled);
        }
        if (sums)
            for (size_t i = 0; i < now; ++i) all = add(all, square[i]);
        else
            for (size_t i = 0; i < now; ++i) all = largest(all, square[i]);
    }
    return all;
}

}  // namespace

double scaledSquares(const double* error, const double* before, const double* after,
                     const ErrorMeasure& measure, size_t n) {
    const double atol = measure.atol, rtol = measure.rtol;
    if (measure.larger)
        return squares(error, before, after, n, !measure.largest,
                       [=](double size) { return largerTolerance(atol, rtol, size); });
    return squares(error, before, after, n, !measure.largest,
                   [=](double size) { return sumOfTolerances(atol, rtol, size); });
}

}  // namespace fastsde::FASTSDE_ISA
