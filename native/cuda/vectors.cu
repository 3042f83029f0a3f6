// Rows of double vectors: factors, matrices along an axis, and the least residual in a Krylov space of each row.
#include "../krylov.h"
#include "kernel.h"

namespace fastsde::cuda {
namespace {

constexpr unsigned int blockWarps = blockThreads / warpThreads;

/** The dot product as the CPU has it: a warp adds up a block of normBlock elements, and every thread the blocks. All threads call it. */
FASTSDE_DEVICE double dotOfRow(const double* a, const double* b, size_t n, double* room) {
    const unsigned int warp = threadIdx.x / warpThreads;
    const size_t blocks = (n + normBlock - 1) / normBlock;
    double total = 0;
    for (size_t first = 0; first < blocks; first += blockWarps) {
        if (first + warp < blocks) {
            const size_t begin = (first + warp) * normBlock;
            const double sum = sumOfWarp<double>(n - begin < normBlock ? n - begin : normBlock, [&](size_t i, double so) {
                return multiplyAdd(a[begin + i], b[begin + i], so);
            });
            if (threadIdx.x % warpThreads == 0) room[warp] = sum;
        }
        __syncthreads();
        for (size_t w = 0; w < blockWarps && first + w < blocks; ++w) total = add(total, room[w]);
        __syncthreads();
    }
    return total;
}

}  // namespace

FASTSDE_KERNEL(weigh, WeighParameters) {
    const size_t i = threadNumber();
    if (i >= p.count) return;
    p.x[i] = multiply(p.x[i], p.factors[i % p.period]);
}

/** The columns of a matrix side by side, and where they are not zero: a thread has one. */
FASTSDE_KERNEL(matrix_columns, MatrixColumnsParameters) {
    const size_t k = threadNumber();
    if (k >= p.columns) return;
    size_t begin = p.rows, end = 0;
    for (size_t j = 0; j < p.rows; ++j) {
        const double value = p.values[k * p.rows + j] = p.matrix[j * p.columns + k];
        if (value == 0) continue;
        begin = j < begin ? j : begin;
        end = j + 1;
    }
    p.ranges[k] = {begin, end};
}

/** Leaves out the terms that the CPU leaves out, which matter where x is not finite. */
FASTSDE_KERNEL(multiply_axis, MultiplyAxisParameters) {
    const size_t at = threadNumber();
    if (at >= p.count) return;
    const size_t i = at % p.inner, j = at / p.inner % p.rows, o = at / p.inner / p.rows;
    const double* x = p.x + o * p.columns * p.inner + i;
    double sum = 0;
    for (size_t k = 0; k < p.columns; ++k) {
        const double value = p.values[k * p.rows + j];
        const bool isTerm = p.inner == 1 ? j >= p.ranges[k].begin && j < p.ranges[k].end : value != 0;
        if (isTerm) sum = multiplyAdd(value, x[k * p.inner], sum);
    }
    p.out[at] = sum;
}

/** A block has a row. */
FASTSDE_KERNEL(orthonormalize, OrthonormalizeParameters) {
    __shared__ double room[blockWarps];
    const size_t row = blockIdx.x, n = p.size;
    const auto vector = [&](size_t block) { return p.vectors + (block * p.rows + row) * n; };
    double* const own = vector(p.index);
    double* const column = p.columns + (p.index * p.rows + row) * p.blocks;
    const double whole = squareRoot(dotOfRow(own, own, n, room));
    for (size_t j = 0; j < p.index; ++j) {
        const double* const other = vector(j);
        const double part = dotOfRow(other, own, n, room);
        if (threadIdx.x == 0) column[j] = part;
        for (size_t i = threadIdx.x; i < n; i += blockDim.x) own[i] = multiplyAdd(-part, other[i], own[i]);
        __syncthreads();
    }
    const double rest = restOf(p.index == 0 ? whole : squareRoot(dotOfRow(own, own, n, room)), whole);
    const double factor = rest == 0 ? 0 : 1 / rest;
    if (threadIdx.x == 0) column[p.index] = rest;
    for (size_t i = threadIdx.x; i < n; i += blockDim.x) own[i] = multiply(own[i], factor);
}

/** A thread has a row. */
FASTSDE_KERNEL(least_squares, LeastSquaresParameters) {
    const size_t row = threadNumber();
    if (row >= p.rows) return;
    const auto column = [&](size_t index) { return p.columns + (index * p.rows + row) * p.blocks; };
    const size_t count = p.blocks - 1;
    double* const work = p.work + row * count * p.blocks;
    for (size_t j = 0; j < count; ++j)
        for (size_t i = 0; i < j + 2; ++i) work[j * p.blocks + i] = column(j + 1)[i];
    leastSquares(work, count, column(0)[0], p.c + row * p.blocks);
}

FASTSDE_KERNEL(combine_images, CombineImagesParameters) {
    const size_t i = threadNumber();
    if (i >= p.count) return;
    const double* const c = p.c + i / p.size * p.blocks;
    double sum = 0;
    for (size_t j = 0; j + 1 < p.blocks; ++j) sum = multiplyAdd(c[j], p.images[j * p.count + i], sum);
    p.out[i] = sum;
}

}  // namespace fastsde::cuda
