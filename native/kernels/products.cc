// Dense linear algebra in double: a tile of a matrix product, and plane rotations. Every sum is in the order of its terms, each of
// them a fused multiply-add, so that its bits depend on the matrices alone.
#include "declarations.h"

namespace fastsde::FASTSDE_ISA {
namespace {

#if defined(__AVX512F__)
constexpr size_t lanes = 8;
#elif defined(__AVX2__)
constexpr size_t lanes = 4;
#else
constexpr size_t lanes = 2;
#endif
constexpr size_t rows = lanes;  // of a tile whose sums are in registers at once
constexpr size_t across = productColumns / lanes;

using Lanes = double __attribute__((vector_size(lanes * sizeof(double))));

/** a b + c. A loop over arrays in place of the vectors would leave the sums in memory. */
FASTSDE_INLINE Lanes multiplyAddLanes(double a, const double* b, const Lanes& c) {
    Lanes sum;
    FASTSDE_UNROLL
    for (size_t l = 0; l < lanes; ++l) sum[l] = multiplyAdd(a, b[l], c[l]);
    return sum;
}

}  // namespace

// productRows x productColumns multiply-adds per term, on 8 (productRows + productColumns) bytes from the caches.
void productTile(const double* a, const double* b, size_t terms, double* out) {
    for (size_t first = 0; first < productRows; first += rows) {
        Lanes sum[rows * across] = {};
        for (size_t k = 0; k < terms; ++k) {
            const double* column = a + k * productRows + first;
            const double* row = b + k * productColumns;
            FASTSDE_UNROLL
            for (size_t i = 0; i < rows; ++i) {
                FASTSDE_UNROLL
                for (size_t j = 0; j < across; ++j)
                    sum[i * across + j] = multiplyAddLanes(column[i], row + j * lanes, sum[i * across + j]);
            }
        }
        for (size_t i = 0; i < rows; ++i)
            for (size_t j = 0; j < productColumns; ++j)
                out[(first + i) * productColumns + j] = sum[i * across + j / lanes][j % lanes];
    }
}

// 4 operations per element and rotation, on 32 bytes of traffic with the caches.
void rotate(double* panel, const Rotation* rotations, size_t count) {
    for (size_t r = 0; r < count; ++r) {
        const double c = rotations[r].cosine, s = rotations[r].sine;
        double* x = panel + rotations[r].row * rotationColumns;
        double* y = x + rotationColumns;
        double first[rotationColumns], second[rotationColumns];
        for (size_t j = 0; j < rotationColumns; ++j) first[j] = multiplyAdd(c, x[j], -multiply(s, y[j]));
        for (size_t j = 0; j < rotationColumns; ++j) second[j] = multiplyAdd(s, x[j], multiply(c, y[j]));
        for (size_t j = 0; j < rotationColumns; ++j) x[j] = first[j];
        for (size_t j = 0; j < rotationColumns; ++j) y[j] = second[j];
    }
}

}  // namespace fastsde::FASTSDE_ISA
