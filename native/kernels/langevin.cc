// Squared norms for the step size of a Langevin corrector (Song et al. 2021, algorithms 4 and 5): of scores,
// and of the noise, which need not be made for it: the squares of a pair of normals are -2 ln u together, u
// being their uniform.
#include "declarations.h"
#include "normals.h"
#include "sums.h"

namespace fastsde::FASTSDE_ISA {
namespace {

template <typename X, typename F>
void squaresOfScores(const X* x, const F* f, const double* rows, size_t size, size_t samples, double* out) {
    for (size_t b = 0; b < samples; ++b, x += size, f += size) {
        const X p = static_cast<X>(rows[3 * b]), q = static_cast<X>(rows[3 * b + 1]);
        if (p == 0)
            out[b] = sumOf<X>(size, [=](size_t i, X sum) __attribute__((always_inline)) {
                const X s = multiply(q, static_cast<X>(f[i]));
                return multiplyAdd(s, s, sum);
            });
        else
            out[b] = sumOf<X>(size, [=](size_t i, X sum) __attribute__((always_inline)) {
                const X s = multiplyAdd(q, static_cast<X>(f[i]), multiply(p, x[i]));
                return multiplyAdd(s, s, sum);
            });
    }
}

constexpr size_t mostGroups = normBlock / groupSize;

/** The squares of the normals in lane l of a group, added up. */
FASTSDE_INLINE float squaresOfLane(const uint32_t* words, int l) {
    float square[2 * group];
    FASTSDE_UNROLL
    for (size_t h = 0; h < 2 * group; ++h) square[h] = minusTwoLog(scaledUniform(words[2 * h * lanes + l]));
    static_assert(group == 2);
    return add(add(square[0], square[1]), add(square[2], square[3]));
}

/** The sum of the squares of whole groups, lane by lane, and of the n normals z that are left. */
FASTSDE_INLINE double sumOfGroups(const float* squares, size_t groups, const float* z, size_t n) {
    double lane[lanes] = {};
    for (size_t g = 0; g < groups; ++g)
        for (int l = 0; l < lanes; ++l) lane[l] += static_cast<double>(squares[g * lanes + l]);
    double rest = 0;
    if (n > 0) fastsde::FASTSDE_ISA::squares(z, n, 1, &rest);
    return treeSum(lane, lanes) + rest;
}

}  // namespace

void squares(const float* z, size_t size, size_t samples, double* out) {
    for (size_t b = 0; b < samples; ++b, z += size)
        out[b] = sumOf<float>(size, [=](size_t i, float sum) __attribute__((always_inline)) {
            return multiplyAdd(z[i], z[i], sum);
        });
}

double noiseSquares(const NoiseKey& key, uint64_t chunk, size_t n) {
    float lane[mostGroups * lanes], z[groupSize];
    const auto use = [to = &lane[0]](size_t i, int l, const uint32_t* words) __attribute__((always_inline)) {
        to[i / groupSize * lanes + l] = squaresOfLane(words, l);
    };
    const size_t groups = n / groupSize, rest = n - groups * groupSize;
    forGroups(key, chunk, n, use, [&](size_t i, const uint32_t* words) __attribute__((always_inline)) {
        if (rest > 0) return partOfGroup(words, rest, z);
        for (int l = 0; l < lanes; ++l) use(i, l, words);
    });
    return sumOfGroups(lane, groups, z, rest);
}

double normalSquares(const NoiseKey& key, uint64_t chunk, size_t n, float* out) {
    float lane[mostGroups * lanes];
    const auto use = [to = &lane[0], z = out](size_t i, int l, const uint32_t* words)
                         __attribute__((always_inline)) {
                             const LaneOfNormals made = normalsOf(words, l);
                             FASTSDE_UNROLL
                             for (size_t h = 0; h < 2 * group; ++h) {
                                 z[i + 2 * h * lanes + l] = made.z[h][0];
                                 z[i + (2 * h + 1) * lanes + l] = made.z[h][1];
                             }
                             to[i / groupSize * lanes + l] = squaresOfLane(words, l);
                         };
    const size_t groups = n / groupSize, rest = n - groups * groupSize;
    forGroups(key, chunk, n, use, [&](size_t i, const uint32_t* words) __attribute__((always_inline)) {
        float part[groupSize];
        partOfGroup(words, n - i, part);
        __builtin_memcpy(out + i, part, (n - i) * sizeof(float));
        if (rest > 0) return;
        for (int l = 0; l < lanes; ++l) lane[i / groupSize * lanes + l] = squaresOfLane(words, l);
    });
    return sumOfGroups(lane, groups, out + groups * groupSize, rest);
}

void scoreSquares(const float* x, const float* f, const double* rows, size_t size, size_t samples,
                  double* out) {
    squaresOfScores(x, f, rows, size, samples, out);
}
void scoreSquaresMixed(const double* x, const float* f, const double* rows, size_t size, size_t samples,
                       double* out) {
    squaresOfScores(x, f, rows, size, samples, out);
}
void scoreSquaresDouble(const double* x, const double* f, const double* rows, size_t size, size_t samples,
                        double* out) {
    squaresOfScores(x, f, rows, size, samples, out);
}

}  // namespace fastsde::FASTSDE_ISA
