// Factors, matrices along an axis, and Krylov spaces.
#include "operations.h"

namespace fastsde::cuda {

void weigh(Stream& stream, std::span<double> x, std::span<const double> factors) {
    stream.launch("weigh", WeighParameters{x.size(), factors.size(), stream.on(x.data()), stream.on(factors.data())}, x.size());
}

void multiplyAxis(Stream& stream, std::span<double> out, std::span<const double> x, std::span<const double> matrix,
                  std::size_t columns, std::size_t inner) {
    const std::size_t rows = matrix.size() / columns;
    double* const values = stream.scratch<double>(matrix.size());
    ColumnRange* const ranges = stream.scratch<ColumnRange>(columns);
    stream.launch("matrix_columns", MatrixColumnsParameters{rows, columns, stream.on(matrix.data()), values, ranges}, columns);
    const MultiplyAxisParameters p{out.size(), rows, columns, inner, stream.on(out.data()), stream.on(x.data()), values, ranges};
    stream.launch("multiply_axis", p, p.count);
}

void orthonormalize(Stream& stream, std::span<double> vectors, std::span<double> columns, std::size_t rows, std::size_t blocks,
                    std::size_t index) {
    const std::size_t size = vectors.size() / (blocks * rows);
    const OrthonormalizeParameters p{blocks, rows, size, index, stream.on(vectors.data()), stream.on(columns.data())};
    stream.launch("orthonormalize", p, rows, 1, blockThreads);
}

void leastResiduals(Stream& stream, std::span<double> out, std::span<const double> images, std::span<const double> columns,
                    std::size_t rows, std::size_t blocks) {
    double* const work = stream.scratch<double>(rows * (blocks - 1) * blocks);
    double* const c = stream.scratch<double>(rows * blocks);
    stream.launch("least_squares", LeastSquaresParameters{blocks, rows, stream.on(columns.data()), work, c}, rows);
    const double* const from = images.empty() ? nullptr : stream.on(images.data());
    stream.launch("combine_images", CombineImagesParameters{out.size(), out.size() / rows, blocks, stream.on(out.data()), from, c},
                  out.size());
}

}  // namespace fastsde::cuda
