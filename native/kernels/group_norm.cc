// Group normalisation (Wu and He 2018) of one sample, with SiLU behind it or not, and its gradient. Forward reads a sample three times and
// writes it once, backward reads two arrays twice; but for the first time from cache.
#include "declarations.h"
#include "sigmoid.h"
#include "sums.h"

namespace fastsde::FASTSDE_ISA {
namespace {

/** Positions whose terms are added in single precision before they go on in double. */
constexpr size_t positionTile = 256;

/**
 * Images in order: a channel is `positions` numbers in a row. sums(channel, out, term) adds up term(l, i) over a channel, i being the
 * place of an element and l < terms that of its channel's numbers, which lie there `terms / lanes` times; each(channel, work) does work(l, i).
 */
struct InOrder {
    size_t positions;

    static constexpr size_t lanes = 1, terms = 1;

    template <typename Term>
    void sums(size_t channel, double* out, const Term& term) const {
        const size_t first = channel * positions;
        out[0] = sumOf<float>(positions, [&](size_t p, float sum) { return add(sum, term(0, first + p)); });
    }

    template <typename Work>
    void each(size_t channel, const Work& work) const {
        const size_t first = channel * positions;
        FASTSDE_INDEPENDENT
        for (size_t p = 0; p < positions; ++p) work(0, first + p);
    }
};

/** Images in blocks of `width` channels, which lie side by side at each position. */
template <size_t width>
struct InBlocks {
    size_t positions;

    static constexpr size_t lanes = width, terms = 64;

    template <typename Term>
    void sums(size_t channel, double* out, const Term& term) const {
        const size_t first = channel * positions;
        for (size_t l = 0; l < width; ++l) out[l] = 0;
        for (size_t begin = 0; begin < positions; begin += positionTile) {
            const size_t end = begin + positionTile < positions ? begin + positionTile : positions;
            // So many running sums that none waits for the addition before it; fewer arrays than one stay in registers.
            float sum[terms] = {};
            size_t i = first + begin * width;
            for (; i + terms <= first + end * width; i += terms)
                for (size_t l = 0; l < terms; ++l) sum[l] = add(sum[l], term(l, i + l));
            for (size_t l = 0; i + l < first + end * width; ++l) sum[l] = add(sum[l], term(l, i + l));
            for (size_t l = 0; l < terms; ++l) out[l % width] += static_cast<double>(sum[l]);
        }
    }

    template <typename Work>
    void each(size_t channel, const Work& work) const {
        const size_t first = channel * positions;
        for (size_t p = 0; p < positions; ++p) {
            FASTSDE_INDEPENDENT
            for (size_t l = 0; l < width; ++l) work(l, first + p * width + l);
        }
    }
};

/** y = (x - mean) scale + offset of the lanes of a channel or block. */
template <size_t terms>
struct Map {
    float mean[terms], inverse[terms], scale[terms], offset[terms];

    float operator()(size_t l, float x) const {
        return add(multiply(add(x, -mean[l]), scale[l]), offset[l]);
    }
};

template <typename Layout>
FASTSDE_INLINE Map<Layout::terms> mapOf(const GroupNorm& of, size_t channel, const float* gain, const float* offset,
                                        const float* statistics) {
    Map<Layout::terms> map;
    for (size_t l = 0; l < Layout::terms; ++l) {
        const size_t c = channel + l % Layout::lanes, group = c / (of.channels / of.groups);
        map.mean[l] = statistics[2 * group];
        map.inverse[l] = statistics[2 * group + 1];
        map.scale[l] = multiply(gain[c], map.inverse[l]);
        map.offset[l] = offset[c];
    }
    return map;
}

/** Two sums for each group, of `count` elements in `length` channels. */
struct GroupSums {
    size_t length;
    double count;
    double *first, *second;

    explicit GroupSums(const GroupNorm& of)
        : length(of.channels / of.groups),
          count(static_cast<double>(length * of.positions)),
          first(of.work),
          second(of.work + of.groups) {
        for (size_t g = 0; g < of.groups; ++g) first[g] = second[g] = 0;
    }

    size_t groupOf(size_t channel) const { return channel / length; }
};

template <typename Layout>
FASTSDE_INLINE void forward(const Layout& layout, const GroupNorm& of, const float* x, const float* gain,
                            const float* offset, float* y, float* statistics) {
    constexpr size_t lanes = Layout::lanes;
    const GroupSums sums(of);
    double sum[lanes];
    for (size_t c = 0; c < of.channels; c += lanes) {
        layout.sums(c, sum, [=](size_t, size_t i) { return x[i]; });
        for (size_t l = 0; l < lanes; ++l) sums.first[sums.groupOf(c + l)] += sum[l];
    }
    for (size_t g = 0; g < of.groups; ++g) statistics[2 * g] = static_cast<float>(sums.first[g] / sums.count);
    for (size_t c = 0; c < of.channels; c += lanes) {
        float mean[Layout::terms];
        for (size_t l = 0; l < Layout::terms; ++l) mean[l] = statistics[2 * sums.groupOf(c + l % lanes)];
        layout.sums(c, sum, [&](size_t l, size_t i) {
            const float centred = add(x[i], -mean[l]);
            return multiply(centred, centred);
        });
        for (size_t l = 0; l < lanes; ++l) sums.second[sums.groupOf(c + l)] += sum[l];
    }
    for (size_t g = 0; g < of.groups; ++g) {
        const double variance = sums.second[g] / sums.count + static_cast<double>(of.epsilon);
        statistics[2 * g + 1] = static_cast<float>(1 / __builtin_sqrt(variance));
    }
    for (size_t c = 0; c < of.channels; c += lanes) {
        const auto map = mapOf<Layout>(of, c, gain, offset, statistics);
        if (of.silu)
            layout.each(c, [&](size_t l, size_t i) {
                const float h = map(l, x[i]);
                y[i] = multiply(h, sigmoid(h));
            });
        else
            layout.each(c, [&](size_t l, size_t i) { y[i] = map(l, x[i]); });
    }
}

/**
 * With n = (x - mean) inverse, h = gain n + offset and d the cotangent of h: dx = inverse (gain d - mean(gain d) - n mean(gain d n)), the
 * means being those of the group; dgain = sum of d n, doffset = sum of d.
 */
template <typename Layout>
FASTSDE_INLINE void backward(const Layout& layout, const GroupNorm& of, const GroupNormGradient& at) {
    constexpr size_t lanes = Layout::lanes;
    const GroupSums sums(of);
    const float *dy = at.dy, *x = at.x;
    float* dx = at.dx;
    double sum[lanes], along[lanes];
    for (size_t c = 0; c < of.channels; c += lanes) {
        const auto map = mapOf<Layout>(of, c, at.gain, at.offset, at.statistics);
        if (of.silu)
            layout.each(c, [&](size_t l, size_t i) { dx[i] = multiply(dy[i], siluSlope(map(l, x[i]))); });
        else
            layout.each(c, [&](size_t, size_t i) { dx[i] = dy[i]; });
        layout.sums(c, sum, [=](size_t, size_t i) { return dx[i]; });
        layout.sums(c, along, [&](size_t l, size_t i) {
            return multiply(dx[i], multiply(add(x[i], -map.mean[l]), map.inverse[l]));
        });
        for (size_t l = 0; l < lanes; ++l) {
            const size_t g = sums.groupOf(c + l);
            at.dgain[c + l] = static_cast<float>(along[l]);
            at.doffset[c + l] = static_cast<float>(sum[l]);
            sums.first[g] += static_cast<double>(at.gain[c + l]) * sum[l];
            sums.second[g] += static_cast<double>(at.gain[c + l]) * along[l];
        }
    }
    for (size_t c = 0; c < of.channels; c += lanes) {
        float mean[lanes], inverse[lanes], gain[lanes], constant[lanes], slope[lanes];
        for (size_t l = 0; l < lanes; ++l) {
            const size_t g = sums.groupOf(c + l);
            mean[l] = at.statistics[2 * g];
            inverse[l] = at.statistics[2 * g + 1];
            gain[l] = multiply(at.gain[c + l], inverse[l]);
            constant[l] = static_cast<float>(sums.first[g] / sums.count * static_cast<double>(inverse[l]));
            slope[l] = static_cast<float>(sums.second[g] / sums.count * static_cast<double>(inverse[l]) *
                                          static_cast<double>(inverse[l]));
        }
        layout.each(c, [&](size_t l, size_t i) {
            const float centred = multiply(add(x[i], -mean[l]), slope[l]);
            dx[i] = add(add(multiply(dx[i], gain[l]), -constant[l]), -centred);
        });
    }
}

template <typename Work>
FASTSDE_INLINE void inLayout(const GroupNorm& of, const Work& work) {
    if (of.block == 16) return work(InBlocks<16>{of.positions});
    if (of.block == 8) return work(InBlocks<8>{of.positions});
    work(InOrder{of.positions});
}

}  // namespace

void groupNorm(const GroupNorm& of, const float* x, const float* gain, const float* offset, float* y,
               float* statistics) {
    inLayout(of, [&](const auto& layout) { forward(layout, of, x, gain, offset, y, statistics); });
}

void groupNormGradient(const GroupNorm& of, const GroupNormGradient& at) {
    inLayout(of, [&](const auto& layout) { backward(layout, of, at); });
}

}  // namespace fastsde::FASTSDE_ISA
