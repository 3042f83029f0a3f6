// Loops over the normals of whole chunks, in which the words of the chunks to come are made while those at
// hand become normals and are used: the rounds of the generator wait for one another, the arithmetic and the
// memory traffic of the use fill the gaps. Sets how the rest of the including file is compiled.
#pragma once

// Let independent instructions take turns; GCC on x86 does not by itself.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("schedule-insns")
#endif

#include "table.h"

namespace fastsde::FASTSDE_ISA {
namespace {

/** Chunks at a time: every round has independent work, and the vectors of two fit the registers. */
constexpr size_t group = 2, groupSize = group * chunkSize;

/** Makes lane l of the words of some chunks; word w of chunk c is at words[(4 c + w) lanes + l]. */
template <size_t chunks>
FASTSDE_INLINE void makeLane(const NoiseKey& key, uint64_t chunk, int l, uint32_t* words) {
    FASTSDE_UNROLL
    for (size_t c = 0; c < chunks; ++c) {
        const uint64_t block = (chunk + c) * lanes;
        const Words made =
            noiseWords(key, static_cast<uint32_t>(block) + l, static_cast<uint32_t>(block >> 32));
        FASTSDE_UNROLL
        for (size_t w = 0; w < 4; ++w) words[(4 * c + w) * lanes + l] = made.w[w];
    }
}

template <size_t chunks>
FASTSDE_INLINE void makeWords(const NoiseKey& key, uint64_t chunk, uint32_t* __restrict words) {
    FASTSDE_INDEPENDENT
    for (int l = 0; l < lanes; ++l) makeLane<chunks>(key, chunk, l, words);
}

/**
 * Of the n elements that begin at `chunk`, calls use(i, l, words) for lane l of each group but the last, i
 * being the first element of the group, and rest(i, words) for the last one, which may be broken.
 */
template <typename Use, typename Rest>
FASTSDE_INLINE void forGroups(const NoiseKey& address, uint64_t chunk, size_t n, const Use& use,
                              const Rest& rest) {
    const NoiseKey key = address;
    uint32_t buffers[2][groupSize];
    if (n > chunkSize)
        makeWords<group>(key, chunk, buffers[0]);
    else
        makeWords<1>(key, chunk, buffers[0]);
    size_t i = 0, turn = 0;
    const auto step = [&]<size_t chunks>() __attribute__((always_inline)) {
        const uint32_t* __restrict now = buffers[turn];
        uint32_t* __restrict next = buffers[turn ^ 1];
        chunk += group;
        FASTSDE_INDEPENDENT
        for (int l = 0; l < lanes; ++l) {
            makeLane<chunks>(key, chunk, l, next);
            use(i, l, now);
        }
        i += groupSize, turn ^= 1;
    };
    while (i + groupSize + chunkSize < n) step.template operator()<group>();
    if (i + groupSize < n) step.template operator()<1>();  // a last chunk alone
    rest(i, buffers[turn]);
}

/** Lane l of the normals of a group: element (2 h + p) lanes + l of the group is z[h][p]. */
struct LaneOfNormals {
    float z[2 * group][2];
};

FASTSDE_INLINE LaneOfNormals normalsOf(const uint32_t* words, int l) {
    LaneOfNormals lane;
    FASTSDE_UNROLL
    for (size_t h = 0; h < 2 * group; ++h)
        normalPair(words[2 * h * lanes + l], words[(2 * h + 1) * lanes + l], lane.z[h][0], lane.z[h][1]);
    return lane;
}

/** The first n normals of a group, and with them up to 31 more. */
FASTSDE_INLINE void partOfGroup(const uint32_t* __restrict words, size_t n, float* __restrict z) {
    for (size_t h = 0; h < n; h += 2 * lanes)
        for (int l = 0; l < lanes; ++l)
            normalPair(words[h + l], words[h + l + lanes], z[h + l], z[h + l + lanes]);
}

/** Calls use(i, z) for the n normals that begin at `chunk`. */
template <typename Use>
FASTSDE_INLINE void forNormals(const NoiseKey& key, uint64_t chunk, size_t n, const Use& use) {
    forGroups(
        key, chunk, n,
        [=](size_t i, int l, const uint32_t* words) __attribute__((always_inline)) {
            const LaneOfNormals lane = normalsOf(words, l);
            FASTSDE_UNROLL
            for (size_t h = 0; h < 2 * group; ++h) {
                use(i + 2 * h * lanes + l, lane.z[h][0]);
                use(i + (2 * h + 1) * lanes + l, lane.z[h][1]);
            }
        },
        [=](size_t i, const uint32_t* words) __attribute__((always_inline)) {
            float z[groupSize];
            partOfGroup(words, n - i, z);
            FASTSDE_INDEPENDENT
            for (size_t j = 0; j < n - i; ++j) use(i + j, z[j]);
        });
}

}  // namespace
}  // namespace fastsde::FASTSDE_ISA
