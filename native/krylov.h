// The least residual in a Krylov space (GMRES, Saad and Schultz 1986), of one row. Shared by the CPU and CUDA.
#pragma once

#include "numerics.h"

namespace fastsde {

/** What is left of a vector, that was so long, outside of the space before it: below this share it is rounding, and the space complete. */
FASTSDE_INLINE double restOf(double rest, double whole) {
    constexpr double least = 1e-10;
    return rest <= multiply(least, whole) ? 0 : rest;
}

/** A plane rotation of two numbers. */
FASTSDE_INLINE void turn(double* pair, double cosine, double sine) {
    const double a = pair[0], b = pair[1];
    pair[0] = add(multiply(cosine, a), multiply(sine, b));
    pair[1] = add(multiply(cosine, b), -multiply(sine, a));
}

/**
 * The c that minimise |size e_1 - H c| by Givens rotations; 0 along columns of zeros.
 *
 * @param columns of the Hessenberg matrix H, `count` of them, `count` + 1 numbers apart: column j has j + 2. Overwritten.
 * @param c with room for `count` + 1.
 */
FASTSDE_INLINE void leastSquares(double* columns, size_t count, double size, double* c) {
    const size_t stride = count + 1;
    for (size_t j = 0; j <= count; ++j) c[j] = j == 0 ? size : 0;
    for (size_t j = 0; j < count; ++j) {
        const double a = columns[j * stride + j], b = columns[j * stride + j + 1];
        const double radius = squareRoot(add(multiply(a, a), multiply(b, b)));
        if (radius == 0) continue;
        for (size_t k = j; k < count; ++k) turn(columns + k * stride + j, a / radius, b / radius);
        turn(c + j, a / radius, b / radius);
    }
    for (size_t j = count; j-- > 0;) {
        double sum = c[j];
        for (size_t k = j + 1; k < count; ++k) sum = add(sum, -multiply(columns[k * stride + j], c[k]));
        const double diagonal = columns[j * stride + j];
        c[j] = diagonal == 0 ? 0 : sum / diagonal;
    }
}

}  // namespace fastsde
