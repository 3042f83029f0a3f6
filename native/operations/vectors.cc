#include <vector>

#include "../isa.h"
#include "../krylov.h"
#include "operations.h"

namespace fastsde {
namespace {

/** Of a call of a kernel, and of a multiply-add in it. */
constexpr double callNanoseconds = 4, termNanoseconds = 0.1;

/** Vectors that a call takes at once where columns are short, and what is short. */
constexpr std::size_t sideBySide = 32, shortColumn = 64;

/** A column of a matrix: its elements from `begin` to `end`; those beyond are zero. */
struct Column {
    std::size_t begin, end;
};

/** The columns of a matrix, and the matrix transposed, so that each of them is contiguous. */
class Columns {
  public:
    Columns(std::span<const double> matrix, std::size_t columns)
        : rows_(matrix.size() / columns), values_(matrix.size()), ranges_(columns) {
        for (std::size_t k = 0; k < columns; ++k) {
            Column range{rows_, 0};
            for (std::size_t j = 0; j < rows_; ++j) {
                const double value = values_[k * rows_ + j] = matrix[j * columns + k];
                if (value == 0) continue;
                range = {std::min(range.begin, j), j + 1};
            }
            ranges_[k] = range;
        }
    }

    std::size_t rows() const { return rows_; }
    std::size_t count() const { return ranges_.size(); }
    Column range(std::size_t k) const { return ranges_[k]; }
    const double* at(std::size_t k) const { return values_.data() + k * rows_; }

  private:
    std::size_t rows_;
    std::vector<double> values_;
    std::vector<Column> ranges_;
};

/** The matrix times `inner` vectors that lie side by side. */
void multiplyPart(const Kernels& k, const Columns& matrix, std::size_t inner, const double* x, double* out) {
    std::fill_n(out, matrix.rows() * inner, 0.0);
    for (std::size_t c = 0; c < matrix.count(); ++c) {
        const auto [begin, end] = matrix.range(c);
        if (inner == 1) {
            if (begin < end) k.accumulateDouble(out + begin, x[c], matrix.at(c) + begin, end - begin);
            continue;
        }
        for (std::size_t j = begin; j < end; ++j)
            if (const double value = matrix.at(c)[j]; value != 0)
                k.accumulateDouble(out + j * inner, value, x + c * inner, inner);
    }
}

/** The matrix times `count` vectors, one after the other. They are laid side by side: a call for all of them takes the place of one for each. */
void multiplySideBySide(const Kernels& k, const Columns& matrix, std::size_t count, const double* x, double* out) {
    std::vector<double> from(matrix.count() * count), to(matrix.rows() * count);
    for (std::size_t i = 0; i < count; ++i)
        for (std::size_t c = 0; c < matrix.count(); ++c) from[c * count + i] = x[i * matrix.count() + c];
    for (std::size_t c = 0; c < matrix.count(); ++c) {
        const auto [begin, end] = matrix.range(c);
        for (std::size_t j = begin; j < end; ++j)
            k.accumulateDouble(to.data() + j * count, matrix.at(c)[j], from.data() + c * count, count);
    }
    for (std::size_t i = 0; i < count; ++i)
        for (std::size_t j = 0; j < matrix.rows(); ++j) out[i * matrix.rows() + j] = to[j * count + i];
}

/** The dot product of vectors in blocks of normBlock elements, which are added in order. */
double dotInBlocks(const Kernels& k, const double* a, const double* b, std::size_t n) {
    double sum = 0;
    for (std::size_t begin = 0; begin < n; begin += normBlock)
        sum += k.dotDouble(a + begin, b + begin, std::min(normBlock, n - begin));
    return sum;
}

}  // namespace

void weigh(std::span<double> x, std::span<const double> factors) {
    const Kernels& k = kernels();
    const Shape shape{x.size() / factors.size(), factors.size()};
    parallelSamples(shape, streamNanoseconds, [&](const Tile& tile, std::size_t) {
        for (std::size_t b = tile.sample; b < tile.sample + tile.samples; ++b) {
            double* const own = x.data() + b * shape.size + tile.begin;
            k.products(own, own, factors.data() + tile.begin, tile.size);
        }
    });
}

void multiplyAxis(std::span<double> out, std::span<const double> x, std::span<const double> matrix, std::size_t columns,
                  std::size_t inner) {
    const Kernels& k = kernels();
    const Columns parts(matrix, columns);
    const std::size_t from = columns * inner, to = parts.rows() * inner, outer = x.size() / from;
    std::size_t terms = 0;
    for (std::size_t c = 0; c < columns; ++c)
        if (const auto [begin, end] = parts.range(c); begin < end) terms += end - begin;
    if (inner == 1 && outer >= sideBySide && terms < shortColumn * columns) {
        const double cost = static_cast<double>(terms * outer) * (termNanoseconds + callNanoseconds / sideBySide);
        parallelTiles((outer + sideBySide - 1) / sideBySide, cost, [&](std::size_t tile) {
            const std::size_t o = tile * sideBySide;
            multiplySideBySide(k, parts, std::min(sideBySide, outer - o), x.data() + o * from, out.data() + o * to);
        });
        return;
    }
    const double cost = static_cast<double>(terms * inner) * termNanoseconds +
                        static_cast<double>(inner == 1 ? columns : terms) * callNanoseconds;
    parallelTiles(outer, cost * static_cast<double>(outer),
                  [&](std::size_t o) { multiplyPart(k, parts, inner, x.data() + o * from, out.data() + o * to); });
}

void orthonormalize(std::span<double> vectors, std::span<double> columns, std::size_t rows, std::size_t blocks,
                    std::size_t index) {
    const Kernels& k = kernels();
    const std::size_t width = vectors.size() / (blocks * rows);
    const double cost = static_cast<double>(2 * index + 3) * static_cast<double>(rows * width) * streamNanoseconds;
    parallelTiles(rows, cost, [&](std::size_t row) {
        const auto vector = [&](std::size_t block) { return vectors.data() + (block * rows + row) * width; };
        double* const own = vector(index);
        double* const column = columns.data() + (index * rows + row) * blocks;
        const double whole = squareRoot(dotInBlocks(k, own, own, width));
        for (std::size_t j = 0; j < index; ++j) {
            column[j] = dotInBlocks(k, vector(j), own, width);
            k.accumulateDouble(own, -column[j], vector(j), width);
        }
        const double rest = restOf(index == 0 ? whole : squareRoot(dotInBlocks(k, own, own, width)), whole);
        column[index] = rest;
        const double factor = rest == 0 ? 0 : 1 / rest;
        for (std::size_t i = 0; i < width; ++i) own[i] *= factor;
    });
}

void leastResiduals(std::span<double> out, std::span<const double> images, std::span<const double> columns,
                    std::size_t rows, std::size_t blocks) {
    const Kernels& k = kernels();
    const std::size_t width = out.size() / rows;
    const double cost = static_cast<double>(blocks * rows * width) * streamNanoseconds;
    parallelTiles(rows, cost, [&](std::size_t row) {
        const auto column = [&](std::size_t index) { return columns.data() + (index * rows + row) * blocks; };
        const std::size_t count = blocks - 1;
        std::vector<double> hessenberg(count * blocks), c(blocks);
        for (std::size_t j = 0; j < count; ++j) std::copy_n(column(j + 1), j + 2, hessenberg.data() + j * blocks);
        leastSquares(hessenberg.data(), count, column(0)[0], c.data());
        double* const own = out.data() + row * width;
        std::fill_n(own, width, 0.0);
        for (std::size_t j = 0; j < count; ++j)
            k.accumulateDouble(own, c[j], images.data() + (j * rows + row) * width, width);
    });
}

}  // namespace fastsde
