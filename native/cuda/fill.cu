// Noise of a batch: 4 bytes of traffic per element, so bound by the arithmetic of the generator.
#include "kernel.h"

namespace fastsde::cuda {

FASTSDE_KERNEL(normal_vector, FillParameters) {
    const Lanes at;
    if (at.first >= p.extent.size) return;
    for (size_t b = blockIdx.y; b < p.extent.count; b += gridDim.y) {
        const QuadNormals normals(p.noise.key, noiseBegin(p.noise, p.extent.size, b) + at.first);
        float* const out = static_cast<float*>(p.out) + b * p.extent.size;
        FASTSDE_UNROLL
        for (int w = 0; w < 4; ++w)
            if (at.first + w * lanes < p.extent.size) putQuad(out + at.first + w * lanes, normals.z[w]);
    }
}

FASTSDE_KERNEL(uniform_vector, FillParameters) {
    const Lanes at;
    if (at.first >= p.extent.size) return;
    for (size_t b = blockIdx.y; b < p.extent.count; b += gridDim.y) {
        const QuadWords made(p.noise.key, noiseBegin(p.noise, p.extent.size, b) + at.first);
        float* const out = static_cast<float*>(p.out) + b * p.extent.size;
        FASTSDE_UNROLL
        for (int w = 0; w < 4; ++w) {
            Quad quad;
            FASTSDE_UNROLL
            for (int l = 0; l < 4; ++l) quad.v[l] = uniformOf(made.words[l].w[w]);
            if (at.first + w * lanes < p.extent.size) putQuad(out + at.first + w * lanes, quad);
        }
    }
}

namespace {

/** 1 or -1: a bit of the words of a chunk of 2048 elements, as kernels/fill.cc lays them out. */
FASTSDE_DEVICE float signAt(const NoiseKey& key, uint64_t flat) {
    const uint32_t r = static_cast<uint32_t>(flat % rademacherChunkSize);
    const Words words = wordsOfBlock(key, flat / rademacherChunkSize * lanes + r % lanes);
    const uint32_t word = r / 512, bits = word == 0   ? words.w[0]
                                          : word == 1 ? words.w[1]
                                          : word == 2 ? words.w[2]
                                                      : words.w[3];
    return floatOf(static_cast<int32_t>(0x3f800000u | (bits >> (r / lanes % 32) & 1) << 31));
}

FASTSDE_DEVICE float uniformAt(const NoiseKey& key, uint64_t flat) {
    const Words words = wordsAt(key, flat);
    const unsigned int word = wordOf(flat);
    return uniformOf(word == 0 ? words.w[0] : word == 1 ? words.w[1] : word == 2 ? words.w[2] : words.w[3]);
}

}  // namespace

FASTSDE_KERNEL(fill_scalar, FillParameters) {
    const size_t i = threadNumber();
    if (i >= p.extent.count * p.extent.size) return;
    const uint64_t flat = noiseBegin(p.noise, p.extent.size, i / p.extent.size) + i % p.extent.size;
    const float value = p.distribution == 0   ? normalAt(p.noise.key, flat)
                        : p.distribution == 1 ? uniformAt(p.noise.key, flat)
                                              : signAt(p.noise.key, flat);
    if (p.isDouble)
        static_cast<double*>(p.out)[i] = static_cast<double>(value);
    else
        static_cast<float*>(p.out)[i] = value;
}

}  // namespace fastsde::cuda
