#include <algorithm>
#include <vector>

#include "../isa.h"
#include "linear_algebra.h"

namespace fastsde {
namespace {

/** Rows and columns of the part of a product that a thread computes at a time, and terms of its sums: two such blocks of the
 * factors fill half of an L2 cache. */
constexpr std::size_t blockSize = 128, blockTerms = 256;

/** Of a multiply-add. */
constexpr double nanoseconds = 0.06;

template <typename T>
void pack(const T* x, std::size_t strideAlong, std::size_t strideAcross, std::size_t along, std::size_t across,
          std::size_t width, double* out) {
    for (std::size_t tile = 0; tile < along; tile += width)
        for (std::size_t k = 0; k < across; ++k)
            for (std::size_t i = 0; i < width; ++i)
                *out++ = tile + i < along ? static_cast<double>(x[(tile + i) * strideAlong + k * strideAcross]) : 0.0;
}

/** Rows [first, first + along) and terms [term, term + terms) of a factor in tiles of `width` rows, filled up with zeros. */
void pack(const Array& x, std::size_t strideAlong, std::size_t strideAcross, std::size_t first, std::size_t along,
          std::size_t term, std::size_t terms, std::size_t width, double* out) {
    const std::size_t offset = first * strideAlong + term * strideAcross;
    if (x.isDouble) pack(x.as<const double>() + offset, strideAlong, strideAcross, along, terms, width, out);
    else pack(x.as<const float>() + offset, strideAlong, strideAcross, along, terms, width, out);
}

}  // namespace

void multiply(std::span<double> out, const Matrix& a, const Matrix& b, bool accumulate) {
    const Kernels& k = kernels();
    const std::size_t rows = a.rows, columns = b.columns, terms = a.columns;
    const std::size_t aAlong = a.transposed ? 1 : terms, aAcross = a.transposed ? rows : 1;
    const std::size_t bAlong = b.transposed ? terms : 1, bAcross = b.transposed ? 1 : columns;
    const std::size_t down = (rows + blockSize - 1) / blockSize, across = (columns + blockSize - 1) / blockSize;
    const double cost = static_cast<double>(rows) * static_cast<double>(columns) * static_cast<double>(terms) * nanoseconds;
    parallelTiles(down * across, cost, [&](std::size_t block) {
        const std::size_t top = block / across * blockSize, left = block % across * blockSize;
        const std::size_t height = std::min(blockSize, rows - top), width = std::min(blockSize, columns - left);
        std::vector<double> packedA(blockSize * blockTerms), packedB(blockSize * blockTerms);
        for (std::size_t term = 0; term < terms; term += blockTerms) {
            const std::size_t count = std::min(blockTerms, terms - term);
            pack(a.elements, aAlong, aAcross, top, height, term, count, productRows, packedA.data());
            pack(b.elements, bAlong, bAcross, left, width, term, count, productColumns, packedB.data());
            const bool add = accumulate || term > 0;
            for (std::size_t j = 0; j < width; j += productColumns) {
                for (std::size_t i = 0; i < height; i += productRows) {
                    double tile[productRows * productColumns];
                    k.productTile(packedA.data() + i * count, packedB.data() + j * count, count, tile);
                    for (std::size_t r = 0; r < std::min(productRows, height - i); ++r) {
                        double* row = out.data() + (top + i + r) * columns + left + j;
                        for (std::size_t c = 0; c < std::min(productColumns, width - j); ++c) {
                            const double value = tile[r * productColumns + c];
                            row[c] = add ? row[c] + value : value;
                        }
                    }
                }
            }
        }
    });
}

}  // namespace fastsde
