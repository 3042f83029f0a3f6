// Values kept between two bounds; and samples scaled until a quantile of their distances from the middle lies within.
#include "kernel.h"

namespace fastsde::cuda {
namespace {

/** NaN compares as false, so it stays. */
template <typename T>
FASTSDE_DEVICE void clipElement(const ClipParameters& p) {
    const size_t i = threadNumber();
    if (i >= p.count) return;
    T* const x = static_cast<T*>(p.x) + i;
    const T low = static_cast<T>(p.low), high = static_cast<T>(p.high), raised = *x < low ? low : *x;
    *x = raised > high ? high : raised;
}

FASTSDE_DEVICE uint32_t orderOf(float distance) { return static_cast<uint32_t>(bitsOf(distance)); }
FASTSDE_DEVICE uint64_t orderOf(double distance) { return static_cast<uint64_t>(bitsOf(distance)); }
FASTSDE_DEVICE float distanceOf(uint32_t order) { return floatOf(static_cast<int32_t>(order)); }
FASTSDE_DEVICE double distanceOf(uint64_t order) { return doubleOf(static_cast<int64_t>(order)); }

/** What the threads of a block share while they select. */
template <typename Bits>
struct Selection {
    unsigned int histogram[256];
    Bits least[blockThreads];
    Bits found;
    uint64_t rank;  // among the distances that begin as `found`
};

/**
 * Distances are not negative, so that they are in the order of their bits: the bits of the one at a rank are found a byte at a time,
 * from counts of the bytes that follow what is known.
 */
template <typename T, typename Bits>
FASTSDE_DEVICE void thresholdSample(const ThresholdParameters& p, Selection<Bits>& shared) {
    constexpr int width = sizeof(T) * 8;
    const size_t size = p.extent.size;
    T* const x = static_cast<T*>(p.x) + blockIdx.x * size;
    const T middle = static_cast<T>(p.middle), half = static_cast<T>(p.half), share = static_cast<T>(p.share);
    const auto keyOf = [&](size_t e) {
        const T distance = magnitude(add(x[e], -middle));
        const Bits infinity = sizeof(T) == 4 ? static_cast<Bits>(0x7f800000u) : static_cast<Bits>(0x7ff0000000000000u);
        return distance == distance ? orderOf(distance) : infinity;  // NaN cannot be put in order
    };
    if (threadIdx.x == 0) shared.found = 0, shared.rank = p.rank;
    for (int shift = width - 8; shift >= 0; shift -= 8) {
        for (unsigned int i = threadIdx.x; i < 256; i += blockDim.x) shared.histogram[i] = 0;
        __syncthreads();
        for (size_t e = threadIdx.x; e < size; e += blockDim.x) {
            const Bits key = keyOf(e);
            if (shift + 8 == width || key >> (shift + 8) % width == shared.found >> (shift + 8) % width)
                atomicAdd(shared.histogram + (key >> shift & 255), 1u);
        }
        __syncthreads();
        if (threadIdx.x == 0) {
            Bits byte = 0;
            while (shared.rank >= shared.histogram[byte]) shared.rank -= shared.histogram[byte++];
            shared.found |= byte << shift;
        }
        __syncthreads();
    }
    T bound = distanceOf(shared.found);
    if (share != 0) {
        Bits next = shared.found;
        if (shared.rank + 1 >= shared.histogram[shared.found & 255]) {
            Bits least = ~Bits{0};
            for (size_t e = threadIdx.x; e < size; e += blockDim.x) {
                const Bits key = keyOf(e);
                if (key > shared.found && key < least) least = key;
            }
            shared.least[threadIdx.x] = least;
            __syncthreads();
            next = ~Bits{0};
            for (unsigned int t = 0; t < blockDim.x; ++t) next = shared.least[t] < next ? shared.least[t] : next;
        }
        bound = add(bound, multiply(share, add(distanceOf(next), -bound)));
    }
    const T scale = bound > half ? half / bound : T{1};
    __syncthreads();
    for (size_t e = threadIdx.x; e < size; e += blockDim.x) {
        const T offset = multiply(add(x[e], -middle), scale);
        x[e] = add(middle, offset < -half ? -half : offset > half ? half : offset);
    }
}

}  // namespace

FASTSDE_KERNEL(clip_single, ClipParameters) { clipElement<float>(p); }
FASTSDE_KERNEL(clip_double, ClipParameters) { clipElement<double>(p); }

/** A block for every sample. */
FASTSDE_KERNEL(threshold_single, ThresholdParameters) {
    __shared__ Selection<uint32_t> shared;
    thresholdSample<float>(p, shared);
}
FASTSDE_KERNEL(threshold_double, ThresholdParameters) {
    __shared__ Selection<uint64_t> shared;
    thresholdSample<double>(p, shared);
}

}  // namespace fastsde::cuda
