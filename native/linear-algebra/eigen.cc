#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <vector>

#include "../elementary.h"
#include "../isa.h"
#include "linear_algebra.h"

namespace fastsde {
namespace {

/** T with diagonal d and e[i] between i - 1 and i. Row i of the matrix keeps the vector u of the reflection I - u u^T / h[i]. */
struct Tridiagonal {
    explicit Tridiagonal(std::size_t n) : d(n), e(n), h(n) {}

    std::vector<double> d, e, h;
};

/**
 * From the last row to the first, as in EISPACK's tred2. The update of rank two that a reflection asks for is made when the next
 * one passes over the rows, so that the matrix goes through the caches once a reflection.
 */
Tridiagonal tridiagonalize(double* a, std::size_t n) {
    const Kernels& k = kernels();
    Tridiagonal t(n);
    std::vector<double> p(n), q(n);
    const double* u = nullptr;  // of the reflection before, with q
    const auto update = [&](std::size_t j) {
        if (u == nullptr) return;
        double* const row = a + j * n;
        k.accumulateDouble(row, -u[j], q.data(), j + 1);
        k.accumulateDouble(row, -q[j], u, j + 1);
    };
    for (std::size_t i = n - 1; i > 0; --i) {
        double* const row = a + i * n;
        update(i);
        t.d[i] = row[i];
        double scale = 0;
        for (std::size_t j = 0; j < i; ++j) scale = std::max(scale, std::abs(row[j]));
        // Rows that are small beside what rounding leaves of the others would give random directions.
        if (i == 1 || scale == 0) {
            t.e[i] = row[i - 1];
            std::fill(row, row + i, 0.0);
        } else {
            for (std::size_t j = 0; j < i; ++j) row[j] /= scale;
            const double square = k.dotDouble(row, row, i);
            const double last = row[i - 1];
            const double norm = last >= 0 ? -std::sqrt(square) : std::sqrt(square);
            t.e[i] = scale * norm;
            t.h[i] = square - last * norm;
            row[i - 1] = last - norm;
        }
        std::fill(p.begin(), p.begin() + static_cast<std::ptrdiff_t>(i), 0.0);
        for (std::size_t j = 0; j < i; ++j) {
            update(j);
            const double* const other = a + j * n;
            p[j] += k.dotDouble(other, row, j + 1);
            if (j > 0) k.accumulateDouble(p.data(), row[j], other, j);
        }
        if (t.h[i] == 0) {
            u = nullptr;
            continue;
        }
        for (std::size_t j = 0; j < i; ++j) p[j] /= t.h[i];
        const double half = k.dotDouble(p.data(), row, i) / (2 * t.h[i]);
        for (std::size_t j = 0; j < i; ++j) q[j] = p[j] - half * row[j];
        u = row;
    }
    update(0);
    t.d[0] = a[0];
    return t;
}

/** Rotations of rows of the eigenvectors, made many at a time, so that a panel of them stays in the cache. */
class Rotations {
  public:
    explicit Rotations(std::span<double> vectors, std::size_t n) : vectors_(vectors), n_(n) {}

    void add(const Rotation& rotation) {
        if (vectors_.empty()) return;
        list_.push_back(rotation);
        if (list_.size() == most) apply();
    }

    void apply() {
        if (list_.empty()) return;
        const Kernels& k = kernels();
        const double cost = static_cast<double>(list_.size()) * static_cast<double>(n_);
        parallelTiles((n_ + rotationColumns - 1) / rotationColumns, cost, [&](std::size_t t) {
            const std::size_t first = t * rotationColumns, width = std::min(rotationColumns, n_ - first);
            std::vector<double> panel(n_ * rotationColumns);
            for (std::size_t i = 0; i < n_; ++i)
                std::copy_n(vectors_.data() + i * n_ + first, width, panel.data() + i * rotationColumns);
            k.rotate(panel.data(), list_.data(), list_.size());
            for (std::size_t i = 0; i < n_; ++i)
                std::copy_n(panel.data() + i * rotationColumns, width, vectors_.data() + i * n_ + first);
        });
        list_.clear();
    }

  private:
    static constexpr std::size_t most = std::size_t{1} << 19;

    std::span<double> vectors_;
    std::size_t n_;
    std::vector<Rotation> list_;
};

/** One sweep from m - 1 down to l. */
void sweep(Tridiagonal& t, std::size_t l, std::size_t m, Rotations& rotations) {
    std::vector<double>&d = t.d, &e = t.e;
    double g = (d[l + 1] - d[l]) / (2 * e[l]);
    double r = length(g, 1.0);
    g = d[m] - d[l] + e[l] / (g + std::copysign(r, g));
    double s = 1, c = 1, p = 0;
    for (std::size_t i = m; i-- > l;) {
        const double f = s * e[i], b = c * e[i];
        r = length(f, g);
        e[i + 1] = r;
        if (r == 0) {
            d[i + 1] -= p;
            e[m] = 0;
            return;
        }
        s = f / r;
        c = g / r;
        g = d[i + 1] - p;
        r = (d[i] - g) * s + 2 * c * b;
        p = s * r;
        d[i + 1] = g + p;
        g = c * r - b;
        rotations.add({c, s, i});
    }
    d[l] -= p;
    e[l] = g;
    e[m] = 0;
}

/** The eigenvalues, in d. */
void diagonalize(Tridiagonal& t, Rotations& rotations) {
    const std::size_t n = t.d.size();
    std::rotate(t.e.begin(), t.e.begin() + 1, t.e.end());
    t.e[n - 1] = 0;
    for (std::size_t l = 0; l < n; ++l) {
        for (int round = 0;; ++round) {
            std::size_t m = l;
            while (m + 1 < n) {
                const double size = std::abs(t.d[m]) + std::abs(t.d[m + 1]);
                if (std::abs(t.e[m]) <= std::numeric_limits<double>::epsilon() * size) break;
                ++m;
            }
            if (m == l) break;
            if (round == 100) throw std::runtime_error("the eigenvalues of a matrix do not converge");
            sweep(t, l, m, rotations);
        }
    }
    rotations.apply();
}

/** Applies the reflections, the first of them first, to rows of vectors. */
void reflect(std::span<double> vectors, const double* a, const Tridiagonal& t) {
    const Kernels& k = kernels();
    const std::size_t n = t.d.size();
    constexpr std::size_t together = 16;
    const double cost = static_cast<double>(n) * static_cast<double>(n) * static_cast<double>(n) * 0.2;
    parallelTiles((n + together - 1) / together, cost, [&](std::size_t tile) {
        for (std::size_t i = 1; i < n; ++i) {
            if (t.h[i] == 0) continue;
            const double* const u = a + i * n;
            for (std::size_t row = tile * together; row < std::min((tile + 1) * together, n); ++row) {
                double* const z = vectors.data() + row * n;
                k.accumulateDouble(z, -k.dotDouble(u, z, i) / t.h[i], u, i);
            }
        }
    });
}

/** Puts values in ascending order, and rows with them. */
void sort(std::span<double> values, std::span<double> vectors) {
    const std::size_t n = values.size();
    std::vector<std::size_t> order(n);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::stable_sort(order, {}, [&](std::size_t i) { return values[i]; });
    const std::vector<double> unsorted(values.begin(), values.end());
    for (std::size_t i = 0; i < n; ++i) values[i] = unsorted[order[i]];
    if (vectors.empty()) return;
    std::vector<double> spare(n);
    // Along the cycles of the permutation, so that one row is all the memory it takes.
    std::vector<bool> placed(n);
    for (std::size_t start = 0; start < n; ++start) {
        if (placed[start]) continue;
        std::copy_n(vectors.data() + start * n, n, spare.data());
        std::size_t at = start;
        for (; order[at] != start; at = order[at]) {
            std::copy_n(vectors.data() + order[at] * n, n, vectors.data() + at * n);
            placed[at] = true;
        }
        std::copy_n(spare.data(), n, vectors.data() + at * n);
        placed[at] = true;
    }
}

}  // namespace

void eigen(std::span<double> matrix, std::span<double> values, std::span<double> vectors) {
    const std::size_t n = values.size();
    for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = 0; j <= i; ++j)
            if (!std::isfinite(matrix[i * n + j])) throw std::runtime_error("a matrix holds a number that is not finite");
    Tridiagonal t = tridiagonalize(matrix.data(), n);
    std::ranges::fill(vectors, 0.0);
    for (std::size_t i = 0; !vectors.empty() && i < n; ++i) vectors[i * n + i] = 1;
    Rotations rotations(vectors, n);
    diagonalize(t, rotations);
    if (!vectors.empty()) reflect(vectors, matrix.data(), t);
    std::ranges::copy(t.d, values.begin());
    sort(values, vectors);
}

}  // namespace fastsde
