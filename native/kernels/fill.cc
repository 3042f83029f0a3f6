// Noise for runs of flat indices. Costs in docs/performance.md.
#include "declarations.h"
#include "normals.h"

namespace fastsde::FASTSDE_ISA {
namespace {

struct Normal {
    static void chunks(const NoiseKey& key, uint64_t chunk, size_t n, float* out) {
        float* __restrict to = out;
        forNormals(key, chunk, n, [=](size_t i, float z) __attribute__((always_inline)) { to[i] = z; });
    }
};

struct Uniform {
    static void chunks(const NoiseKey& key, uint64_t chunk, size_t n, float* out) {
        float* __restrict to = out;
        forGroups(
            key, chunk, n,
            [=](size_t i, int l, const uint32_t* words) __attribute__((always_inline)) {
                FASTSDE_UNROLL
                for (size_t w = 0; w < groupSize; w += lanes) to[i + w + l] = uniformOf(words[w + l]);
            },
            [=](size_t i, const uint32_t* words) __attribute__((always_inline)) {
                for (size_t j = 0; j < n - i; ++j) to[i + j] = uniformOf(words[j]);
            });
    }
};

template <typename Distribution>
void fill(const NoiseKey& key, uint64_t first, size_t n, float* out) {
    const size_t skip = first % chunkSize;
    if (skip != 0 && n > 0) {
        float chunk[chunkSize];
        const size_t head = chunkSize - skip < n ? chunkSize - skip : n;
        Distribution::chunks(key, first / chunkSize, skip + head, chunk);
        for (size_t i = 0; i < head; ++i) out[i] = chunk[skip + i];
        first += head, n -= head, out += head;
    }
    if (n > 0) Distribution::chunks(key, first / chunkSize, n, out);
}

}  // namespace

void normal(const NoiseKey& key, uint64_t first, size_t n, float* out) { fill<Normal>(key, first, n, out); }

void uniform(const NoiseKey& key, uint64_t first, size_t n, float* out) { fill<Uniform>(key, first, n, out); }

// A chunk is 2048 elements: element r takes bit (r >> 4) & 31 of word r >> 9 of lane r & 15; a set bit gives
// -1.
void rademacher(const NoiseKey& key, uint64_t first, size_t n, float* out) {
    while (n > 0) {
        uint32_t words[chunkSize];
        makeWords<1>(key, first / rademacherChunkSize, words);
        const size_t begin = first % rademacherChunkSize, rest = rademacherChunkSize - begin;
        const size_t now = rest < n ? rest : n;
        size_t i = 0;
        const auto one = [&](size_t r) {
            const uint32_t bit = words[(r >> 9) * lanes + (r & 15)] >> ((r >> 4) & 31) & 1;
            return floatOf(static_cast<int32_t>(0x3f800000u | bit << 31));
        };
        for (; i < now && (begin + i) % lanes != 0; ++i) out[i] = one(begin + i);
        for (; i + lanes <= now; i += lanes) {
            const size_t r = begin + i;
            const uint32_t* row = words + (r >> 9) * lanes;
            const int shift = static_cast<int>((r >> 4) & 31);
            for (int l = 0; l < lanes; ++l)
                out[i + l] = floatOf(static_cast<int32_t>(0x3f800000u | (row[l] >> shift) << 31));
        }
        for (; i < now; ++i) out[i] = one(begin + i);
        first += now, n -= now, out += now;
    }
}

void widen(const float* in, size_t n, double* out) {
    for (size_t i = 0; i < n; ++i) out[i] = static_cast<double>(in[i]);
}

}  // namespace fastsde::FASTSDE_ISA
