// out = c0 x0 + c1 x1 + ... + cz z, left to right with fused multiply-adds: 4 bytes of traffic per array and
// element, which hide behind the arithmetic of the noise where it is made on the way. Costs in
// docs/performance.md.
#include "declarations.h"
#include "normals.h"

namespace fastsde::FASTSDE_ISA {
namespace {

/** The arrays of one sample and its row of coefficients. */
template <size_t count>
struct Sample {
    float* out;
    float* mean;
    const float* x[count];
    float c[count];
    float cz;

    Sample(const Combination& all, size_t begin, const double* row) : out(all.out + begin) {
        mean = all.mean == nullptr ? nullptr : all.mean + begin;
        FASTSDE_UNROLL
        for (size_t j = 0; j < count; ++j) x[j] = all.x[j] + begin, c[j] = static_cast<float>(row[j]);
        cz = static_cast<float>(row[count]);
    }

    [[gnu::always_inline]] float sum(size_t i) const {
        float s = multiply(c[0], x[0][i]);
        FASTSDE_UNROLL
        for (size_t j = 1; j < count; ++j) s = multiplyAdd(c[j], x[j][i], s);
        return s;
    }

    [[gnu::always_inline]] void put(size_t i, float z) const { out[i] = multiplyAdd(cz, z, sum(i)); }

    [[gnu::always_inline]] void putBoth(size_t i, float z) const {
        const float s = sum(i);
        mean[i] = s;
        out[i] = multiplyAdd(cz, z, s);
    }
};

template <size_t count>
void combine(const Combination& all, const double* rows, const float* z, size_t size, size_t samples) {
    for (size_t b = 0; b < samples; ++b) {
        const Sample<count> sample(all, b * size, rows + b * (count + 1));
        const float* zb = z + b * size;
        if (z == nullptr) {
            FASTSDE_INDEPENDENT
            for (size_t i = 0; i < size; ++i) sample.out[i] = sample.sum(i);
            if (sample.mean != nullptr) __builtin_memcpy(sample.mean, sample.out, size * sizeof(float));
        } else if (sample.mean == nullptr) {
            FASTSDE_INDEPENDENT
            for (size_t i = 0; i < size; ++i) sample.put(i, zb[i]);
        } else {
            FASTSDE_INDEPENDENT
            for (size_t i = 0; i < size; ++i) sample.putBoth(i, zb[i]);
        }
    }
}

#if defined(__AVX512F__)
constexpr bool fuses = true;
#else
// Sixteen registers are few for the generator and the update at once: only the traffic of a third array pays
// for it.
constexpr bool fuses = false;
#endif

template <size_t count>
void combineNormals(const Combination& all, const double* row, const NoiseKey& key, uint64_t chunk,
                    size_t n) {
    const Sample<count> sample(all, 0, row);
    if (fuses && sample.mean == nullptr)
        forNormals(key, chunk, n,
                   [=](size_t i, float z) __attribute__((always_inline)) { sample.put(i, z); });
    else
        forNormals(key, chunk, n,
                   [=](size_t i, float z) __attribute__((always_inline)) { sample.putBoth(i, z); });
}

using Combine = void (*)(const Combination&, const double*, const float*, size_t, size_t);
constexpr Combine combineByCount[] = {combine<1>, combine<2>, combine<3>, combine<4>,
                                      combine<5>, combine<6>, combine<7>, combine<8>};
static_assert(sizeof combineByCount / sizeof combineByCount[0] == maxOperands);

}  // namespace

void affine(const Combination& all, const double* rows, const float* z, size_t size, size_t samples) {
    combineByCount[all.count - 1](all, rows, z, size, samples);
}

void affineNormal(const Combination& all, const double* row, const NoiseKey& key, uint64_t chunk, size_t n) {
    if (fuses || all.mean != nullptr) {
        if (all.count == 1) return combineNormals<1>(all, row, key, chunk, n);
        if (all.count == 2) return combineNormals<2>(all, row, key, chunk, n);
        if (all.count == 3) return combineNormals<3>(all, row, key, chunk, n);
    }
    // Loops for more operands would be long and little used: their noise passes through a buffer.
    constexpr size_t piece = 1024;
    Combination part = all;
    for (size_t begin = 0; begin < n; begin += piece) {
        float z[piece];
        const size_t now = n - begin < piece ? n - begin : piece;
        normal(key, chunk * chunkSize + begin, now, z);
        affine(part, row, z, now, 1);
        part.advance(now);
    }
}

void accumulateFloat(double* sum, double c, const float* x, size_t n) {
    for (size_t i = 0; i < n; ++i) sum[i] = multiplyAdd(c, static_cast<double>(x[i]), sum[i]);
}

void accumulateDouble(double* sum, double c, const double* x, size_t n) {
    FASTSDE_INDEPENDENT
    for (size_t i = 0; i < n; ++i) sum[i] = multiplyAdd(c, x[i], sum[i]);
}

}  // namespace fastsde::FASTSDE_ISA
