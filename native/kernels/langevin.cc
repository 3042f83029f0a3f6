// The two passes of a Langevin corrector step (Song et al. 2021, algorithms 4 and 5): norms, then the update.
#include "kernels_isa.h"

namespace fastsde::FASTSDE_ISA {
namespace {

constexpr size_t tile = 512;

/** Sum of value(i)^2 for i < n: 16 lanes in T over tiles of 512 elements, each tile added in double. */
template <typename T, typename Value>
FASTSDE_INLINE double sumOfSquares(size_t n, Value value) {
    double total = 0;
    for (size_t begin = 0; begin < n; begin += tile) {
        const size_t end = begin + tile < n ? begin + tile : n;
        T lane[lanes] = {};
        size_t i = begin;
        for (; i + lanes <= end; i += lanes)
            for (int l = 0; l < lanes; ++l) {
                const T v = value(i + l);
                lane[l] = multiplyAdd(v, v, lane[l]);
            }
        for (int l = 0; i + l < end; ++l) {
            const T v = value(i + l);
            lane[l] = multiplyAdd(v, v, lane[l]);
        }
        double sum = 0;
        for (int l = 0; l < lanes; ++l) sum += static_cast<double>(lane[l]);
        total += sum;
    }
    return total;
}

template <typename X, typename F>
double scoreSum(const X* x, const F* f, X p, X q, size_t n) {
    return sumOfSquares<X>(n, [=](size_t i) __attribute__((always_inline)) {
        return multiplyAdd(q, static_cast<X>(f[i]), multiply(p, x[i]));
    });
}

template <typename X, typename F>
void update(X* x, X* mean, const F* f, X p, X q, X e, X cz, const float* z, size_t n) {
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

}  // namespace

double squares(const float* z, size_t n) {
    return sumOfSquares<float>(n, [=](size_t i) __attribute__((always_inline)) { return z[i]; });
}

double scoreSquares(const float* x, const float* f, float p, float q, size_t n) {
    return scoreSum(x, f, p, q, n);
}

double scoreSquaresDouble(const double* x, const float* f, double p, double q, size_t n) {
    return scoreSum(x, f, p, q, n);
}

double scoreSquaresDoubleDouble(const double* x, const double* f, double p, double q, size_t n) {
    return scoreSum(x, f, p, q, n);
}

void langevin(float* x, float* mean, const float* f, float p, float q, float e, float cz, const float* z,
              size_t n) {
    update(x, mean, f, p, q, e, cz, z, n);
}

void langevinDouble(double* x, double* mean, const float* f, double p, double q, double e, double cz,
                    const float* z, size_t n) {
    update(x, mean, f, p, q, e, cz, z, n);
}

void langevinDoubleDouble(double* x, double* mean, const double* f, double p, double q, double e, double cz,
                          const float* z, size_t n) {
    update(x, mean, f, p, q, e, cz, z, n);
}

}  // namespace fastsde::FASTSDE_ISA
