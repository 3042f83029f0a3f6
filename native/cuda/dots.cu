// Dot products of samples in double: a warp adds up a block of normBlock elements, and a thread the blocks of a sample.
#include "kernel.h"

namespace fastsde::cuda {
namespace {

template <typename A, typename B>
FASTSDE_DEVICE void dotOfBlock(const DotsParameters& p) {
    const size_t part = threadNumber() / warpThreads;
    if (part >= p.extent.count * p.blocks) return;
    const size_t sample = part / p.blocks, begin = part % p.blocks * normBlock;
    const size_t left = p.extent.size - begin, n = left < normBlock ? left : normBlock;
    const A* a = static_cast<const A*>(p.a) + sample * p.extent.size + begin;
    const B* b = static_cast<const B*>(p.b) + sample * p.extent.size + begin;
    const double sum = sumOfWarp<double>(n, [&](size_t i, double so) {
        return multiplyAdd(static_cast<double>(a[i]), static_cast<double>(b[i]), so);
    });
    if (threadIdx.x % warpThreads == 0) p.out[part] = sum;
}

}  // namespace

FASTSDE_KERNEL(dots_single, DotsParameters) { dotOfBlock<float, float>(p); }
FASTSDE_KERNEL(dots_mixed, DotsParameters) { dotOfBlock<double, float>(p); }
FASTSDE_KERNEL(dots_double, DotsParameters) { dotOfBlock<double, double>(p); }

FASTSDE_KERNEL(totals, TotalsParameters) {
    const size_t sample = threadNumber();
    if (sample >= p.count) return;
    double sum = 0;
    for (size_t i = 0; i < p.blocks; ++i) sum = add(sum, p.partial[sample * p.blocks + i]);
    p.out[sample] = sum;
}

/** Keeps the first of the samples whose norm is not finite, where nothing failed before. One block. */
FASTSDE_KERNEL(require_finite, FiniteParameters) {
    __shared__ size_t found[blockThreads];
    size_t first = p.count;
    for (size_t b = threadIdx.x; b < p.count && first == p.count; b += blockDim.x)
        if (!(add(p.norms[b], -p.norms[b]) == 0)) first = b;
    found[threadIdx.x] = first;
    __syncthreads();
    if (threadIdx.x != 0) return;
    for (unsigned int t = 0; t < blockDim.x; ++t) first = found[t] < first ? found[t] : first;
    if (first < p.count && p.record->tag == 0) *p.record = {p.tag, first};
}

}  // namespace fastsde::cuda
