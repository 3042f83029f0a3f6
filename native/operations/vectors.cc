#include <cmath>
#include <vector>

#include "../isa.h"
#include "operations.h"

namespace fastsde {
namespace {

/** What is left of a vector below this share of it is rounding: the space is complete. */
constexpr double leastRest = 1e-10;

/** Of a call of a kernel, and of a multiply-add in it. */
constexpr double callNanoseconds = 4, termNanoseconds = 0.1;

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

/** The c that minimise |size e_1 - H c| for a Hessenberg matrix whose column j has j + 2 elements, by Givens rotations; 0 along columns of zeros. */
std::vector<double> leastSquares(std::vector<std::vector<double>> columns, double size) {
    std::vector<double> right(columns.size() + 1, 0.0), c(columns.size(), 0.0);
    right[0] = size;
    for (std::size_t j = 0; j < columns.size(); ++j) {
        const double radius = std::sqrt(columns[j][j] * columns[j][j] + columns[j][j + 1] * columns[j][j + 1]);
        if (radius == 0) continue;
        const double cosine = columns[j][j] / radius, sine = columns[j][j + 1] / radius;
        const auto turn = [=](std::vector<double>& column) {
            const double a = column[j], b = column[j + 1];
            column[j] = cosine * a + sine * b;
            column[j + 1] = cosine * b - sine * a;
        };
        for (std::size_t k = j; k < columns.size(); ++k) turn(columns[k]);
        turn(right);
    }
    for (std::size_t j = columns.size(); j-- > 0;) {
        if (columns[j][j] == 0) continue;
        double sum = right[j];
        for (std::size_t k = j + 1; k < columns.size(); ++k) sum -= columns[k][j] * c[k];
        c[j] = sum / columns[j][j];
    }
    return c;
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
        const double whole = std::sqrt(k.dotDouble(own, own, width));
        for (std::size_t j = 0; j < index; ++j) {
            column[j] = k.dotDouble(vector(j), own, width);
            k.accumulateDouble(own, -column[j], vector(j), width);
        }
        const double rest = index == 0 ? whole : std::sqrt(k.dotDouble(own, own, width));
        column[index] = rest <= leastRest * whole ? 0 : rest;
        const double factor = column[index] == 0 ? 0 : 1 / column[index];
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
        std::vector<std::vector<double>> hessenberg;
        for (std::size_t j = 1; j < blocks; ++j) hessenberg.emplace_back(column(j), column(j) + j + 1);
        const std::vector<double> c = leastSquares(std::move(hessenberg), column(0)[0]);
        double* const own = out.data() + row * width;
        std::fill_n(own, width, 0.0);
        for (std::size_t j = 0; j + 1 < blocks; ++j)
            k.accumulateDouble(own, c[j], images.data() + (j * rows + row) * width, width);
    });
}

}  // namespace fastsde
