// Noise for runs of flat indices: normals 0.7, uniforms 0.5, Rademacher 0.1 ns per element on one AVX2 core.

// Interleave independent work: Threefry is bound by the latency of its rounds. GCC on x86 does not by itself.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("schedule-insns")
#endif

#include "declarations.h"

namespace fastsde::FASTSDE_ISA {
namespace {

constexpr size_t tileChunks = 4;

/** The words of consecutive chunks; two at a time give the processor independent work in the latency of the
 * rounds. */
template <int chunks>
void wordsOfChunks(const NoiseKey& address, uint64_t first, uint32_t* __restrict words) {
    const NoiseKey key = address;
    FASTSDE_INDEPENDENT
    for (int l = 0; l < lanes; ++l) {
        FASTSDE_UNROLL
        for (int c = 0; c < chunks; ++c) {
            const uint64_t block = (first + c) * lanes;
            const Words w =
                noiseWords(key, static_cast<uint32_t>(block) + l, static_cast<uint32_t>(block >> 32));
            uint32_t* chunk = words + c * chunkSize;
            chunk[l] = w.w[0];
            chunk[l + 16] = w.w[1];
            chunk[l + 32] = w.w[2];
            chunk[l + 48] = w.w[3];
        }
    }
}

struct Normal {
    static void transform(const uint32_t* __restrict words, float* __restrict out, size_t n) {
        for (size_t h = 0; h < n; h += 32)
            for (int l = 0; l < lanes; ++l)
                normalPair(words[h + l], words[h + l + 16], out[h + l], out[h + l + 16]);
    }
};

struct Uniform {
    static void transform(const uint32_t* __restrict words, float* __restrict out, size_t n) {
        for (size_t i = 0; i < n; ++i) out[i] = uniformOf(words[i]);
    }
};

template <typename Distribution>
void wholeChunks(const NoiseKey& key, uint64_t chunk, size_t count, float* out) {
    uint32_t words[tileChunks * chunkSize];
    while (count > 0) {
        const size_t now = count < tileChunks ? count : tileChunks;
        size_t c = 0;
        for (; c + 2 <= now; c += 2) wordsOfChunks<2>(key, chunk + c, words + c * chunkSize);
        if (c < now) wordsOfChunks<1>(key, chunk + c, words + c * chunkSize);
        Distribution::transform(words, out, now * chunkSize);
        chunk += now, count -= now, out += now * chunkSize;
    }
}

template <typename Distribution>
void partOfChunk(const NoiseKey& key, uint64_t first, size_t n, float* out) {
    float chunk[chunkSize];
    wholeChunks<Distribution>(key, first / chunkSize, 1, chunk);
    const size_t skip = first % chunkSize;
    for (size_t i = 0; i < n; ++i) out[i] = chunk[skip + i];
}

template <typename Distribution>
void fill(const NoiseKey& key, uint64_t first, size_t n, float* out) {
    if (first % chunkSize != 0) {
        const size_t rest = chunkSize - first % chunkSize, head = rest < n ? rest : n;
        partOfChunk<Distribution>(key, first, head, out);
        first += head, n -= head, out += head;
    }
    const size_t whole = n / chunkSize;
    wholeChunks<Distribution>(key, first / chunkSize, whole, out);
    if (n % chunkSize != 0)
        partOfChunk<Distribution>(key, first + whole * chunkSize, n % chunkSize, out + whole * chunkSize);
}

}  // namespace

void normal(const NoiseKey& key, uint64_t first, size_t n, float* out) { fill<Normal>(key, first, n, out); }

void uniform(const NoiseKey& key, uint64_t first, size_t n, float* out) { fill<Uniform>(key, first, n, out); }

// A chunk is 2048 elements: element r takes bit (r >> 4) & 31 of word r >> 9 of lane r & 15; a set bit gives
// -1.
void rademacher(const NoiseKey& key, uint64_t first, size_t n, float* out) {
    while (n > 0) {
        uint32_t words[chunkSize];
        wordsOfChunks<1>(key, first / rademacherChunkSize, words);
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
