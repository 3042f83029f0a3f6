// The error of an element in units of its tolerance, as adaptive integrators measure it. Shared by the CPU kernels and CUDA.
#pragma once

#include "kernels/table.h"

namespace fastsde {

/** The larger of two magnitudes, NaN if one of them is. */
FASTSDE_INLINE double largerOf(double a, double b) {
    const double left = magnitude(a), right = magnitude(b);
    return left >= right || left != left ? left : right;
}

/** The larger of two squares, NaN if one of them is. */
FASTSDE_INLINE double largest(double so, double now) { return now > so || now != now ? now : so; }

/** The larger of both tolerances, or their sum, for a state of this size. */
FASTSDE_INLINE double largerTolerance(double atol, double rtol, double size) {
    const double relative = multiply(rtol, size);
    return relative >= atol || relative != relative ? relative : atol;
}
FASTSDE_INLINE double sumOfTolerances(double atol, double rtol, double size) {
    return add(atol, multiply(rtol, size));
}

}  // namespace fastsde
