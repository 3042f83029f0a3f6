// Sums whose order depends on the number of terms alone: 32 running sums, so that no addition waits for the
// one before it, which are added up as a tree in double; in single precision after every 1024 terms.
#pragma once

#include "table.h"

namespace fastsde::FASTSDE_ISA {
namespace {

constexpr size_t runningSums = 32;

/** Adds up a power of two of values as a tree. */
template <typename T>
FASTSDE_INLINE double treeSum(const T* value, size_t width) {
    double sum[runningSums];
    for (size_t l = 0; l < width; ++l) sum[l] = static_cast<double>(value[l]);
    for (size_t half = width / 2; half > 0; half /= 2)
        for (size_t l = 0; l < half; ++l) sum[l] += sum[l + half];
    return sum[0];
}

/** Sum of n terms in type T: add(i, sum) is the sum with term i. */
template <typename T, typename Add>
FASTSDE_INLINE double sumOf(size_t n, const Add& add) {
    if (n == 1) return static_cast<double>(add(0, T{0}));  // the same sums for points, without the zeros
    if (n == 2) return static_cast<double>(add(0, T{0})) + static_cast<double>(add(1, T{0}));
    const size_t tile = sizeof(T) == sizeof(float) ? 1024 : n;
    double total = 0;
    for (size_t begin = 0; begin < n; begin += tile) {
        const size_t end = begin + tile < n ? begin + tile : n;
        T sum[runningSums] = {};
        size_t i = begin;
        for (; i + runningSums <= end; i += runningSums)
            for (size_t l = 0; l < runningSums; ++l) sum[l] = add(i + l, sum[l]);
        for (size_t l = 0; i + l < end; ++l) sum[l] = add(i + l, sum[l]);
        total += treeSum(sum, runningSums);
    }
    return total;
}

}  // namespace
}  // namespace fastsde::FASTSDE_ISA
