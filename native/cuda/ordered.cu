// What the CPU adds up one term after the other: errors of steps against their tolerances, and the spread of samples. A block has a
// sample, and its first thread adds what the others made.
#include "../scaled_error.h"
#include "kernel.h"

namespace fastsde::cuda {
namespace {

template <typename T>
FASTSDE_DEVICE double squaredDistances(const T* x, size_t n, double* room) {
    const auto sum = [](double so, double term) { return add(so, term); };
    const double total = foldInOrder(n, room, [&](size_t i) { return static_cast<double>(x[i]); }, sum);
    if (threadIdx.x == 0) room[0] = total / static_cast<double>(n);
    __syncthreads();
    const double mean = room[0];
    __syncthreads();
    const auto square = [&](size_t i) {
        const double distance = add(static_cast<double>(x[i]), -mean);
        return multiply(distance, distance);
    };
    return foldInOrder(n, room, square, sum);
}

template <typename T>
FASTSDE_DEVICE void matchSample(const SpreadParameters& p, double* room, double& factor) {
    const size_t n = p.extent.size, b = blockIdx.x;
    T* const x = static_cast<T*>(p.x) + b * n;
    const double own = squaredDistances(x, n, room);
    const double wanted = squaredDistances(static_cast<const T*>(p.reference) + b * n, n, room);
    if (threadIdx.x == 0) {
        const double ratio = squareRoot(wanted / own);
        factor = own == 0 ? 0 : add(1, multiply(coefficient(p.rows, b, 1, 0), add(ratio, -1)));
        room[0] = own;
    }
    __syncthreads();
    if (room[0] == 0) return;
    for (size_t i = threadIdx.x; i < n; i += blockDim.x)
        x[i] = static_cast<T>(multiply(factor, static_cast<double>(x[i])));
}

}  // namespace

FASTSDE_KERNEL(match_spread_single, SpreadParameters) {
    __shared__ double room[blockThreads], factor;
    matchSample<float>(p, room, factor);
}
FASTSDE_KERNEL(match_spread_double, SpreadParameters) {
    __shared__ double room[blockThreads], factor;
    matchSample<double>(p, room, factor);
}

FASTSDE_KERNEL(scaled_errors, ErrorsParameters) {
    __shared__ double room[blockThreads];
    const size_t n = p.extent.size, begin = blockIdx.x * n;
    const bool sums = !p.measure.largest;
    const double all = foldInOrder(
        n, room,
        [&](size_t i) {
            const size_t e = begin + i;
            const double size = largerOf(p.before[e], p.after[e]);
            const double atol = p.measure.atol, rtol = p.measure.rtol;
            const double scaled = p.error[e] / (p.measure.larger ? largerTolerance(atol, rtol, size)
                                                                 : sumOfTolerances(atol, rtol, size));
            return multiply(scaled, scaled);
        },
        [&](double so, double term) { return sums ? add(so, term) : largest(so, term); });
    if (threadIdx.x == 0) p.out[blockIdx.x] = sums ? all / static_cast<double>(n) : all;
}

}  // namespace fastsde::cuda
