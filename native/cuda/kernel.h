// What the kernels have in common: how they are declared, whose thread is where, the noise of an element, sums in the CPU's order.
//
// A file of kernels is CUDA to nvcc. Tests compile the same file for the host, with a header in front that stands for CUDA.
#pragma once

#include "parameters.h"

#if defined(__CUDACC__)
#define FASTSDE_KERNEL(name, Parameters) extern "C" __global__ void name(const __grid_constant__ Parameters p)
#define FASTSDE_DEVICE static __device__ __forceinline__
#define FASTSDE_MEMBER __device__ __forceinline__
#endif

namespace fastsde::cuda {

/** Number of this thread in the grid, of which it has a row for every sample where kernels say so. */
FASTSDE_DEVICE size_t threadNumber() { return size_t{blockIdx.x} * blockDim.x + threadIdx.x; }

FASTSDE_DEVICE double coefficient(const Rows& rows, size_t sample, unsigned int width, unsigned int j) {
    return rows.table != nullptr ? rows.table[sample * width + j] : rows.row[j];
}

/** Four numbers that are read and written at once. */
struct alignas(16) Quad {
    float v[4];
};

FASTSDE_DEVICE Quad quadAt(const float* x) { return *reinterpret_cast<const Quad*>(x); }
FASTSDE_DEVICE void putQuad(float* x, const Quad& quad) {
#if defined(__CUDACC__)
    // An ordinary store, which nvcc does not take apart again.
    __stwb(reinterpret_cast<float4*>(x), make_float4(quad.v[0], quad.v[1], quad.v[2], quad.v[3]));
#else
    *reinterpret_cast<Quad*>(x) = quad;
#endif
}

/** Flat index of the first element of a sample in the noise. */
FASTSDE_DEVICE uint64_t noiseBegin(const NoiseSource& noise, size_t size, size_t sample) {
    const uint64_t index =
        noise.samples != nullptr ? static_cast<uint64_t>(noise.samples[sample]) : noise.first + sample;
    return index * sampleStride(size);
}

FASTSDE_DEVICE Words wordsOfBlock(const NoiseKey& key, uint64_t block) {
    return noiseWords(key, static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32));
}

/** The words of the lane in which the flat index of an element lies. */
FASTSDE_DEVICE Words wordsAt(const NoiseKey& key, uint64_t flat) {
    return wordsOfBlock(key, flat / chunkSize * lanes + flat % lanes);
}

FASTSDE_DEVICE unsigned int wordOf(uint64_t flat) { return static_cast<unsigned int>(flat / lanes % 4); }

FASTSDE_DEVICE float normalAt(const NoiseKey& key, uint64_t flat) {
    const Words words = wordsAt(key, flat);
    const unsigned int word = wordOf(flat);
    float z0, z1;
    normalPair(word < 2 ? words.w[0] : words.w[2], word < 2 ? words.w[1] : words.w[3], z0, z1);
    return word % 2 == 0 ? z0 : z1;
}

/**
 * The vector form of a kernel over samples of more than a chunk, of a multiple of four elements: a thread has four lanes of a chunk,
 * 16 elements in four quads, of every gridDim.y-th sample.
 */
struct Lanes {
    size_t chunk, first;  // of the sample: its chunk, and its first element

    FASTSDE_MEMBER Lanes() : chunk(threadNumber() / 4), first(chunk * chunkSize + threadNumber() % 4 * 4) {}
};

/** Words w of four lanes of a chunk, from flat index `flat` on: element w * lanes + l is word w of words[l]. */
struct QuadWords {
    Words words[4];

    FASTSDE_MEMBER QuadWords(const NoiseKey& key, uint64_t flat) {
        FASTSDE_UNROLL
        for (int l = 0; l < 4; ++l) words[l] = wordsAt(key, flat + l);
    }
};

/** Their normals. */
struct QuadNormals {
    Quad z[4];  // by word

    FASTSDE_MEMBER QuadNormals(const NoiseKey& key, uint64_t flat) {
        const QuadWords made(key, flat);
        FASTSDE_UNROLL
        for (int l = 0; l < 4; ++l) {
            const Words& words = made.words[l];
            normalPair(words.w[0], words.w[1], z[0].v[l], z[1].v[l]);
            normalPair(words.w[2], words.w[3], z[2].v[l], z[3].v[l]);
        }
    }
};

/** The sum of `width` numbers, one a thread, as the CPU's tree; all threads of the warp call it, and have it. */
FASTSDE_DEVICE double treeOfWarp(double value, unsigned int width) {
    for (unsigned int half = width / 2; half > 0; half /= 2)
        value = add(value, __shfl_xor_sync(0xffffffffu, value, static_cast<int>(half)));
    return value;
}

/** As kernels/sums.h adds up n terms: a thread of the warp for each running sum. add(i, sum) is the sum with term i. */
template <typename T, typename Add>
FASTSDE_DEVICE double sumOfWarp(size_t n, const Add& addTerm) {
    const size_t tile = sizeof(T) == sizeof(float) ? 1024 : n;
    double total = 0;
    for (size_t begin = 0; begin < n; begin += tile) {
        const size_t end = begin + tile < n ? begin + tile : n;
        T sum = 0;
        for (size_t i = begin + threadIdx.x % warpThreads; i < end; i += warpThreads) sum = addTerm(i, sum);
        total = add(total, treeOfWarp(static_cast<double>(sum), warpThreads));
    }
    return total;
}

/**
 * Folds n terms in their order, for sums that the CPU makes one term after the other: the threads of the block make a term each, and
 * the first one folds them. All threads call it; the first one has the result.
 * @param room for as many terms as the block has threads
 */
template <typename Term, typename Fold>
FASTSDE_DEVICE double foldInOrder(size_t n, double* room, const Term& term, const Fold& fold) {
    double all = 0;
    for (size_t begin = 0; begin < n; begin += blockDim.x) {
        const size_t left = n - begin, now = left < blockDim.x ? left : blockDim.x;
        if (threadIdx.x < now) room[threadIdx.x] = term(begin + threadIdx.x);
        __syncthreads();
        if (threadIdx.x == 0)
            for (size_t i = 0; i < now; ++i) all = fold(all, room[i]);
        __syncthreads();
    }
    return all;
}

}  // namespace fastsde::cuda
