// Counter-based noise: the value at (seed, salt, particle, visit, node, step, stream, substep, sample,
// element) is a pure function of that address and of the size of a sample.
//
// Generator: Threefry4x32 (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3, SC 2011),
// 13 rounds. Its key is that of 20 rounds on (particle, visit, node, version of the layout) under (seed,
// salt); its counter is (block, step, stream and substep), so that what differs from call to call costs
// nothing per element.
//
// Layout: element e of sample i has the flat index g = i * sampleStride(D) + e. 64 consecutive indices are a
// chunk of 16 blocks of 4 words: block = (g >> 6) * 16 + (g & 15), word = (g >> 4) & 3. So 16 lanes run in
// parallel, and words 0, 1 and words 2, 3 of a lane are the pairs of the Box-Muller transform. Samples of
// more than a chunk begin at one, which spares both ends of each a broken chunk; smaller ones follow one
// another without gaps, since a batch of points in the plane, 32 to a chunk, would make 32 times the noise
// that it needs.
//
// Shared by the CPU kernels and CUDA; only integer operations and correctly rounded float operations, hence
// equal bits.
#pragma once

#include "numerics.h"

namespace fastsde {

inline constexpr int threefryRounds = 13, keyRounds = 20;
inline constexpr uint32_t noiseLayout = 0x66736432;  // version of all of the above
inline constexpr int lanes = 16;
inline constexpr size_t chunkSize = 64;              // normals and uniforms
inline constexpr size_t rademacherChunkSize = 2048;  // one bit per element of the 64 words of a chunk

/** Flat indices from the beginning of a sample of `size` elements to that of the next. */
FASTSDE_INLINE uint64_t sampleStride(uint64_t size) {
    return size <= chunkSize ? size : (size + chunkSize - 1) / chunkSize * chunkSize;
}

struct Words {
    uint32_t w[4];
};

FASTSDE_INLINE uint32_t rotateLeft(uint32_t x, int n) { return (x << n) | (x >> (32 - n)); }

/** Threefry4x32: encrypts `counter` under `key` (both four words). */
template <int rounds>
FASTSDE_INLINE Words threefry4x32(Words counter, Words key) {
    constexpr int rotation[8][2] = {{10, 26}, {11, 21}, {13, 27}, {23, 5},
                                    {6, 20},  {17, 11}, {25, 10}, {18, 20}};
    const uint32_t k[5] = {key.w[0], key.w[1], key.w[2], key.w[3],
                           0x1BD11BDAu ^ key.w[0] ^ key.w[1] ^ key.w[2] ^ key.w[3]};
    uint32_t x0 = counter.w[0] + k[0], x1 = counter.w[1] + k[1], x2 = counter.w[2] + k[2],
             x3 = counter.w[3] + k[3];
    FASTSDE_UNROLL
    for (int round = 0; round < rounds; ++round) {
        const int a = rotation[round % 8][0], b = rotation[round % 8][1];
        if (round % 2 == 0) {
            x0 += x1, x1 = rotateLeft(x1, a) ^ x0;
            x2 += x3, x3 = rotateLeft(x3, b) ^ x2;
        } else {
            x0 += x3, x3 = rotateLeft(x3, a) ^ x0;
            x2 += x1, x1 = rotateLeft(x1, b) ^ x2;
        }
        if (round % 4 == 3) {
            const int s = round / 4 + 1;
            x0 += k[s % 5], x1 += k[(s + 1) % 5], x2 += k[(s + 2) % 5], x3 += k[(s + 3) % 5] + s;
        }
    }
    return {{x0, x1, x2, x3}};
}

/** Where the noise of a batch comes from, as the caller says it. */
struct NoiseAddress {
    uint32_t seedLow, seedHigh, salt;
    uint32_t step;
    uint32_t use;  // stream | substep << 8
    uint32_t particle, visit, node;
};

/** The same as the generator takes it: its key and the upper half of its counter. */
struct NoiseKey {
    Words key;
    uint32_t step, use;
};

FASTSDE_INLINE NoiseKey keyOf(const NoiseAddress& a) {
    const Words key = threefry4x32<keyRounds>({{a.particle, a.visit, a.node, noiseLayout}},
                                              {{a.seedLow, a.seedHigh, a.salt, 0}});
    return {key, a.step, a.use};
}

/** The four random words of a block. */
template <int rounds = threefryRounds>
FASTSDE_INLINE Words noiseWords(const NoiseKey& key, uint32_t blockLow, uint32_t blockHigh) {
    return threefry4x32<rounds>({{blockLow, blockHigh, key.step, key.use}}, key.key);
}

/** 2^31 u for the uniform u in (0, 1] that gives the radius of a pair of normals. */
FASTSDE_INLINE float scaledUniform(uint32_t word) {
    return add(toFloat(static_cast<int32_t>(word & 0x7fffffffu)), 0.5f);
}

/**
 * -2 ln u = z0^2 + z1^2 from f = 2^31 u. The polynomial, -2 ln(1 + t) / t on [sqrt(1/2) - 1, sqrt(2) - 1], is
 * minimax (Remez), rounded to float, to 2.6e-8 relative.
 */
FASTSDE_INLINE float minusTwoLog(float f) {
    constexpr int32_t low = 0x3f3504f3;  // sqrt(1/2)
    const int32_t i = bitsOf(f) - (low + (31 << 23));
    const float exponent = toFloat(i >> 23);
    const float t = add(floatOf((i & 0x7fffff) + low), -1.0f);
    float q = -0x1.6544920000000p-3f;
    q = multiplyAdd(q, t, 0x1.263ba60000000p-2f);
    q = multiplyAdd(q, t, -0x1.3238f00000000p-2f);
    q = multiplyAdd(q, t, 0x1.5332a40000000p-2f);
    q = multiplyAdd(q, t, -0x1.98b7480000000p-2f);
    q = multiplyAdd(q, t, 0x1.0005700000000p-1f);
    q = multiplyAdd(q, t, -0x1.5557920000000p-1f);
    q = multiplyAdd(q, t, 0x1.fffff80000000p-1f);
    q = multiplyAdd(q, t, -2.0f);
    return multiplyAdd(exponent, -0x1.62e4300000000p+0f, multiply(t, q));
}

/**
 * Box-Muller: two words to two independent standard normals, 35 vector operations.
 * The low 31 bits of `a` give the radius, its sign bit the half plane, `b` the angle in (-pi/2, pi/2).
 * The polynomials for sin and cos of (pi/2) y on [-1, 1] are minimax too, to 5.3e-9. The radius is at
 * most 6.66; zero is excluded.
 */
FASTSDE_INLINE void normalPair(uint32_t a, uint32_t b, float& z0, float& z1) {
    const float square = minusTwoLog(scaledUniform(a));
    const float radius = squareRoot(square > 0x1p-60f ? square : 0x1p-60f);

    const float y = multiply(toFloat(static_cast<int32_t>(b)), 0x1p-31f);
    const float s = multiply(y, y);
    float sine = 0x1.3daff60000000p-13f;
    sine = multiplyAdd(sine, s, -0x1.324cca0000000p-8f);
    sine = multiplyAdd(sine, s, 0x1.4668b00000000p-4f);
    sine = multiplyAdd(sine, s, -0x1.4abbc20000000p-1f);
    sine = multiply(y, multiplyAdd(sine, s, 0x1.921fb60000000p+0f));
    float cosine = -0x1.8fb73e0000000p-16f;
    cosine = multiplyAdd(cosine, s, 0x1.e126f20000000p-11f);
    cosine = multiplyAdd(cosine, s, -0x1.55d0760000000p-6f);
    cosine = multiplyAdd(cosine, s, 0x1.03c1e40000000p-2f);
    cosine = multiplyAdd(cosine, s, -0x1.3bd3cc0000000p+0f);
    cosine = multiplyAdd(cosine, s, 1.0f);
    z0 = floatOf(bitsOf(multiply(radius, cosine)) ^ static_cast<int32_t>(a & 0x80000000u));
    z1 = multiply(radius, sine);
}

/** A word to a uniform in the open interval (0, 1): (2 k + 1) / 2^24 with k the upper 23 bits. */
FASTSDE_INLINE float uniformOf(uint32_t word) {
    return multiply(toFloat(static_cast<int32_t>((word >> 9) * 2 + 1)), 0x1p-24f);
}

}  // namespace fastsde
