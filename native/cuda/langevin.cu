// Squared norms of scores and noise, and the coefficients of a Langevin step, which an affine update then applies.
#include "kernel.h"

namespace fastsde::cuda {
namespace {

constexpr size_t groupSize = 2 * chunkSize;

/** The squares of the normals in a lane of two chunks, added up, from the flat index of its first element. */
FASTSDE_DEVICE float squaresOfLane(const NoiseKey& key, uint64_t flat) {
    const Words a = wordsAt(key, flat), b = wordsAt(key, flat + chunkSize);
    const auto square = [](uint32_t word) { return minusTwoLog(scaledUniform(word)); };
    return add(add(square(a.w[0]), square(a.w[2])), add(square(b.w[0]), square(b.w[2])));
}

/** Sum of the squares of the n normals from a chunk on: whole groups by logarithms, lane by lane; the rest by squares. */
FASTSDE_DEVICE double noiseSquares(const NoiseKey& key, uint64_t flat, size_t n) {
    const unsigned int lane = threadIdx.x % warpThreads;
    const size_t groups = n / groupSize, rest = n % groupSize;
    double sum = 0;
    for (size_t g = 0; g < groups; g += 2) {  // one group for each half of the warp
        const size_t own = g + lane / lanes;
        const float square = own < groups ? squaresOfLane(key, flat + own * groupSize + lane % lanes) : 0;
        const float other = __shfl_xor_sync(0xffffffffu, square, lanes);
        sum = add(sum, static_cast<double>(square));
        if (g + 1 < groups) sum = add(sum, static_cast<double>(other));
    }
    double total = treeOfWarp(sum, lanes);
    if (rest == 0) return total;
    const uint64_t begin = flat + groups * groupSize;
    return add(total, sumOfWarp<float>(rest, [&](size_t i, float so) {
        const float z = normalAt(key, begin + i);
        return multiplyAdd(z, z, so);
    }));
}

template <typename X, typename F>
FASTSDE_DEVICE void normsOfBlock(const LangevinNormsParameters& parameters) {
    const LangevinNormsParameters& p = parameters;
    const size_t part = threadNumber() / warpThreads;
    if (part >= p.extent.count * p.blocks) return;
    const size_t sample = part / p.blocks, begin = part % p.blocks * normBlock;
    const size_t left = p.extent.size - begin, n = left < normBlock ? left : normBlock;
    const X* x = static_cast<const X*>(p.x) + sample * p.extent.size + begin;
    const F* f = static_cast<const F*>(p.output) + sample * p.extent.size + begin;
    const X state = static_cast<X>(coefficient(p.rows, sample, 3, 0));
    const X output = static_cast<X>(coefficient(p.rows, sample, 3, 1));
    const double score = sumOfWarp<X>(n, [&](size_t i, X so) {
        const X term = static_cast<X>(f[i]);
        const X s = state == 0 ? multiply(output, term) : multiplyAdd(output, term, multiply(state, x[i]));
        return multiplyAdd(s, s, so);
    });
    double noise = 0;
    if (p.needsNoise) {
        const uint64_t flat = noiseBegin(p.noise, p.extent.size, sample) + begin;
        noise = p.extent.size > chunkSize ? noiseSquares(p.noise.key, flat, n)
                                          : sumOfWarp<float>(n, [&](size_t i, float so) {
                                                const float z = normalAt(p.noise.key, flat + i);
                                                return multiplyAdd(z, z, so);
                                            });
    }
    if (threadIdx.x % warpThreads != 0) return;
    p.score[part] = score;
    if (p.needsNoise) p.noises[part] = noise;
}

struct Norms {
    double score, noise;
};

FASTSDE_DEVICE Norms normsOf(const LangevinRowsParameters& p, size_t sample) {
    Norms norms{0, 0};
    for (size_t i = sample * p.blocks; i < (sample + 1) * p.blocks; ++i) {
        norms.score = add(norms.score, p.score[i]);
        if (p.needsNoise) norms.noise = add(norms.noise, p.noises[i]);
    }
    return norms;
}

/** The coefficients of x, F and z from e = factor (r_z / r_s)^2, as operations/langevin.cc says. */
FASTSDE_DEVICE void makeRow(const LangevinRowsParameters& p, size_t sample, const Norms& norms) {
    const double noise = p.needsNoise ? norms.noise : static_cast<double>(p.extent.size);
    const bool isFinite = add(norms.score, -norms.score) == 0;
    const double ratio = isFinite ? noise / norms.score : add(norms.score, -norms.score);
    const double e = norms.score == 0 ? 0 : multiply(coefficient(p.rows, sample, 3, 2), ratio);
    double* row = p.out + 3 * sample;
    row[0] = add(1, multiply(e, coefficient(p.rows, sample, 3, 0)));
    row[1] = multiply(e, coefficient(p.rows, sample, 3, 1));
    row[2] = squareRoot(multiply(2.0, e));
    if (p.steps != nullptr) p.steps[sample] = e;
}

}  // namespace

FASTSDE_KERNEL(langevin_norms_single, LangevinNormsParameters) { normsOfBlock<float, float>(p); }
FASTSDE_KERNEL(langevin_norms_mixed, LangevinNormsParameters) { normsOfBlock<double, float>(p); }
FASTSDE_KERNEL(langevin_norms_double, LangevinNormsParameters) { normsOfBlock<double, double>(p); }

FASTSDE_KERNEL(langevin_rows, LangevinRowsParameters) {
    const size_t sample = threadNumber();
    if (sample < p.extent.count) makeRow(p, sample, normsOf(p, sample));
}

/** With the means of the norms over the batch. One block. */
FASTSDE_KERNEL(langevin_rows_of_batch, LangevinRowsParameters) {
    __shared__ double room[blockThreads];
    __shared__ Norms squared;
    const double count = static_cast<double>(p.extent.count);
    const auto sum = [](double so, double term) { return add(so, term); };
    const double score = foldInOrder(
        p.extent.count, room, [&](size_t b) { return squareRoot(normsOf(p, b).score) / count; }, sum);
    const double noise = foldInOrder(
        p.extent.count, room, [&](size_t b) { return squareRoot(normsOf(p, b).noise) / count; }, sum);
    if (threadIdx.x == 0) squared = {multiply(score, score), multiply(noise, noise)};
    __syncthreads();
    for (size_t b = threadIdx.x; b < p.extent.count; b += blockDim.x) makeRow(p, b, squared);
}

}  // namespace fastsde::cuda
