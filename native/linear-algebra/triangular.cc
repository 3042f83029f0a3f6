#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "../isa.h"
#include "linear_algebra.h"

namespace fastsde {

void factorize(std::span<const double> matrix, std::span<double> factor, std::span<std::int32_t> pivots) {
    const Kernels& k = kernels();
    const std::size_t n = pivots.size();
    std::ranges::fill(factor, 0.0);
    std::ranges::fill(pivots, -1);
    std::vector<double> rest(n);  // diagonal of what is not yet eliminated
    for (std::size_t i = 0; i < n; ++i) rest[i] = matrix[i * n + i];
    std::vector<std::size_t> open(n);
    for (std::size_t i = 0; i < n; ++i) open[i] = i;
    const double largest = n == 0 ? 0 : *std::ranges::max_element(rest);
    // What rounding leaves of a zero.
    const double zero = largest * static_cast<double>(n) * std::numeric_limits<double>::epsilon();
    for (std::size_t column = 0; column < n; ++column) {
        const auto next = std::ranges::max_element(open, {}, [&](std::size_t i) { return rest[i]; });
        const std::size_t pivot = *next;
        if (!(rest[pivot] > zero)) return;
        open.erase(next);
        pivots[column] = static_cast<std::int32_t>(pivot);
        const double root = std::sqrt(rest[pivot]);
        double* const pivotRow = factor.data() + pivot * n;
        pivotRow[column] = root;
        constexpr std::size_t together = 32;
        const double cost = static_cast<double>(open.size()) * (10 + 0.3 * static_cast<double>(column));
        parallelTiles((open.size() + together - 1) / together, cost, [&](std::size_t t) {
            for (std::size_t r = t * together; r < std::min((t + 1) * together, open.size()); ++r) {
                const std::size_t i = open[r];
                double* const row = factor.data() + i * n;
                const double known = column == 0 ? 0 : k.dotDouble(row, pivotRow, column);
                row[column] = (matrix[pivot * n + i] - known) / root;
                rest[i] -= row[column] * row[column];
            }
        });
    }
}

void invertTriangular(std::span<const double> lower, std::span<double> inverse) {
    const Kernels& k = kernels();
    const auto n = static_cast<std::size_t>(std::llround(std::sqrt(static_cast<double>(lower.size()))));
    std::ranges::fill(inverse, 0.0);
    for (std::size_t i = 0; i < n; ++i) {
        double* const row = inverse.data() + i * n;
        row[i] = 1;
        for (std::size_t j = 0; j < i; ++j) k.accumulateDouble(row, -lower[i * n + j], inverse.data() + j * n, j + 1);
        for (std::size_t j = 0; j <= i; ++j) row[j] /= lower[i * n + i];
    }
}

}  // namespace fastsde
