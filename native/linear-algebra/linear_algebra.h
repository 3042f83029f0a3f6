// Dense linear algebra in double, row by row. Results have the same bits for any number of threads and any instruction set.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "../operations/batch.h"

namespace fastsde {

/** A matrix of floats or doubles in memory, or its transpose. */
struct Matrix {
    Array elements;
    std::size_t rows, columns;  // of the transpose, where `transposed`
    bool transposed;
};

/** out, a.rows x b.columns, = a b, or that is added to it. */
void multiply(std::span<double> out, const Matrix& a, const Matrix& b, bool accumulate);

/**
 * The pivoted Cholesky factor of a positive semidefinite matrix A = L L^T of n rows (Higham, Accuracy and Stability of Numerical
 * Algorithms, section 10.3): column k of L belongs to the pivot k, and is zero above it and from the rank of A on.
 *
 * @param pivots rows of A, in the order of elimination; -1 from the rank on
 */
void factorize(std::span<const double> matrix, std::span<double> factor, std::span<std::int32_t> pivots);

/** The inverse of a lower triangular matrix without zeros on its diagonal. */
void invertTriangular(std::span<const double> lower, std::span<double> inverse);

/**
 * Eigenvalues of a symmetric matrix in ascending order, and, unless `vectors` is empty, its eigenvectors as rows. Householder
 * reflections and the implicit QL method (Golub and Van Loan, Matrix Computations, section 8.3).
 *
 * @param matrix of which the lower triangle is read, and which is overwritten
 * @throws std::runtime_error where it holds what is not finite
 */
void eigen(std::span<double> matrix, std::span<double> values, std::span<double> vectors);

}  // namespace fastsde
