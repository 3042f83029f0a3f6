// The two passes of a Langevin corrector step (Song et al. 2021, algorithms 4 and 5): norms, then the update.
#include "declarations.h"

namespace fastsde::FASTSDE_ISA {
namespace {

constexpr size_t sums = 32;    // running sums, so that none waits for the one before it
constexpr size_t tile = 1024;  // elements summed in the type of the state before they are added in double

/** Adds up a power of two of values as a tree. */
FASTSDE_INLINE double treeSum(double* value, size_t width) {
    for (size_t half = width / 2; half > 0; half /= 2)
        for (size_t l = 0; l < half; ++l) value[l] += value[l + half];
    return value[0];
}

/** The same sum as sumOfSquares gives, without the running sums that stay 0. */
template <typename T, typename Value>
FASTSDE_INLINE double fewSquares(size_t n, const Value& value) {
    double square[sums];
    size_t width = 1;
    while (width < n) width *= 2;
    for (size_t l = 0; l < n; ++l) {
        const T v = value(l);
        square[l] = static_cast<double>(multiply(v, v));
    }
    for (size_t l = n; l < width; ++l) square[l] = 0;
    return treeSum(square, width);
}

/** Sum of value(i)^2 for i < n. */
template <typename T, typename Value>
FASTSDE_INLINE double sumOfSquares(size_t n, const Value& value) {
    if (n <= sums) return fewSquares<T>(n, value);
    double total = 0;
    for (size_t begin = 0; begin < n; begin += tile) {
        const size_t end = begin + tile < n ? begin + tile : n;
        T lane[sums] = {};
        size_t i = begin;
        for (; i + sums <= end; i += sums)
            for (size_t l = 0; l < sums; ++l) {
                const T v = value(i + l);
                lane[l] = multiplyAdd(v, v, lane[l]);
            }
        for (size_t l = 0; i + l < end; ++l) {
            const T v = value(i + l);
            lane[l] = multiplyAdd(v, v, lane[l]);
        }
        double sum[sums];
        for (size_t l = 0; l < sums; ++l) sum[l] = static_cast<double>(lane[l]);
        total += treeSum(sum, sums);
    }
    return total;
}

template <typename X, typename F>
struct Passes {
    static void norms(const X* x, const F* f, X p, X q, const float* z, size_t n, double result[2]) {
        result[0] = sumOfSquares<X>(n, [=](size_t i) __attribute__((always_inline)) {
            return multiplyAdd(q, static_cast<X>(f[i]), multiply(p, x[i]));
        });
        result[1] = 0;
        if (z != nullptr)
            result[1] = sumOfSquares<float>(n, [=](size_t i) __attribute__((always_inline)) { return z[i]; });
    }

    static void update(X* x, X* mean, const F* f, X p, X q, X e, X cz, const float* z, size_t n) {
        if (mean == nullptr) {
            FASTSDE_INDEPENDENT
            for (size_t i = 0; i < n; ++i) {
                const X s = multiplyAdd(q, static_cast<X>(f[i]), multiply(p, x[i]));
                x[i] = multiplyAdd(cz, static_cast<X>(z[i]), multiplyAdd(e, s, x[i]));
            }
        } else {
            FASTSDE_INDEPENDENT
            for (size_t i = 0; i < n; ++i) {
                const X s = multiplyAdd(q, static_cast<X>(f[i]), multiply(p, x[i]));
                const X m = multiplyAdd(e, s, x[i]);
                mean[i] = m;
                x[i] = multiplyAdd(cz, static_cast<X>(z[i]), m);
            }
        }
    }

    static constexpr LangevinKernels<X, F> kernels = {norms, update};
};

}  // namespace

const LangevinKernels<float, float> langevinFloat = Passes<float, float>::kernels;
const LangevinKernels<double, float> langevinMixed = Passes<double, float>::kernels;
const LangevinKernels<double, double> langevinDouble = Passes<double, double>::kernels;

}  // namespace fastsde::FASTSDE_ISA
