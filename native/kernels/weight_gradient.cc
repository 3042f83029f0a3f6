// The gradient of a convolution's weights from images as they lie for convolutions: at each position of the cotangent two vectors of
// filters and eight channels, sixteen sums in registers, 10 loads for 16 multiply-adds. A sample's rows stay in L1 for all taps; nothing
// is moved beforehand. The sum over a sample's positions is in their order, and then that over samples, so that its bits depend on
// the images alone.
#include "declarations.h"

namespace fastsde::FASTSDE_ISA {
namespace {

#if defined(__AVX512F__)
constexpr size_t widest = 16, together = 2;
#elif defined(__AVX2__)
constexpr size_t widest = 8, together = 1;
#else
constexpr size_t widest = 4, together = 1;
#endif

constexpr size_t tapTile = 9;

/** Positions of a cotangent's axis at which a tap lies within the image. */
struct Range {
    size_t begin, end;
};

/** The tap of position o lies at o stride + offset - pad. */
FASTSDE_INLINE Range inside(size_t size, size_t image, size_t stride, size_t offset, size_t pad) {
    const size_t begin = offset < pad ? (pad - offset + stride - 1) / stride : 0;
    const size_t past = image + pad > offset ? (image + pad - offset + stride - 1) / stride : 0;
    const size_t end = past < size ? past : size;
    return {begin < end ? begin : end, end};
}

template <size_t lanes>
struct Vector;
template <>
struct Vector<4> {
    using Lanes = float __attribute__((vector_size(16)));
};
template <>
struct Vector<8> {
    using Lanes = float __attribute__((vector_size(32)));
};
template <>
struct Vector<16> {
    using Lanes = float __attribute__((vector_size(64)));
};

/** a b + c. A loop over arrays in place of the vectors would leave the sums in memory. */
template <size_t lanes, typename Lanes = typename Vector<lanes>::Lanes>
FASTSDE_INLINE Lanes multiplyAddLanes(float a, const Lanes& b, const Lanes& c) {
    Lanes sum;
    FASTSDE_UNROLL
    for (size_t l = 0; l < lanes; ++l) sum[l] = multiplyAdd(a, b[l], c[l]);
    return sum;
}

/** All taps of `vectors` vectors of filters from `filter` on and `channels` channels from `channel` on. */
template <size_t lanes, bool inBlocks, size_t vectors, size_t channels>
void tile(const WeightGradient& of, const float* x, const float* g, size_t filter, size_t channel, float* dw) {
    using Lanes = typename Vector<lanes>::Lanes;
    const size_t taps = of.kernelHeight * of.kernelWidth, block = of.block, image = of.height * of.width;
    const size_t positions = of.outHeight * of.outWidth, sample = of.paddedFilters * positions;
    const size_t side = inBlocks ? block : 1, apart = inBlocks ? 1 : image;
    x += inBlocks ? channel / block * block * image + channel % block : channel * image;
    size_t panel[vectors];
    for (size_t v = 0; v < vectors; ++v) {
        const size_t first = filter + v * lanes;
        panel[v] = first / block * block * positions + first % block;
    }
    for (size_t first = 0; first < taps; first += tapTile) {
        const size_t count = taps - first < tapTile ? taps - first : tapTile;
        Range rows[tapTile], columns[tapTile];
        Lanes total[tapTile][channels * vectors];
        for (size_t t = 0; t < count; ++t) {
            const size_t down = (first + t) / of.kernelWidth * of.dilationY, right = (first + t) % of.kernelWidth * of.dilationX;
            rows[t] = inside(of.outHeight, of.height, of.strideY, down, of.top);
            columns[t] = inside(of.outWidth, of.width, of.strideX, right, of.left);
            for (Lanes& each : total[t]) each = Lanes{};
        }
        for (size_t n = 0; n < of.batch; ++n)
            for (size_t t = 0; t < count; ++t) {
                const size_t down = (first + t) / of.kernelWidth * of.dilationY, right = (first + t) % of.kernelWidth * of.dilationX;
                Lanes sum[channels * vectors] = {};
                for (size_t h = rows[t].begin; h < rows[t].end; ++h) {
                    const size_t from = (h * of.strideY + down - of.top) * of.width + columns[t].begin * of.strideX + right - of.left;
                    const float* one = x + n * of.channels * image + from * side;
                    const float* filters[vectors];
                    for (size_t v = 0; v < vectors; ++v)
                        filters[v] = g + n * sample + panel[v] + (h * of.outWidth + columns[t].begin) * block;
                    for (size_t w = columns[t].begin; w < columns[t].end; ++w) {
                        Lanes lane[vectors];
                        FASTSDE_UNROLL
                        for (size_t v = 0; v < vectors; ++v) {
                            __builtin_memcpy(&lane[v], filters[v], sizeof(Lanes));
                            filters[v] += block;
                        }
                        FASTSDE_UNROLL
                        for (size_t c = 0; c < channels; ++c) {
                            FASTSDE_UNROLL
                            for (size_t v = 0; v < vectors; ++v)
                                sum[c * vectors + v] = multiplyAddLanes<lanes>(one[c * apart], lane[v], sum[c * vectors + v]);
                        }
                        one += of.strideX * side;
                    }
                }
                for (size_t k = 0; k < channels * vectors; ++k) total[t][k] += sum[k];
            }
        for (size_t l = 0; l < vectors * lanes && filter + l < of.filters; ++l)
            for (size_t c = 0; c < channels; ++c)
                for (size_t t = 0; t < count; ++t)
                    dw[((filter + l) * of.channels + channel + c) * taps + first + t] = total[t][c * vectors + l / lanes][l % lanes];
    }
}

template <size_t lanes, bool inBlocks, size_t vectors>
void channelsOf(const WeightGradient& of, const float* x, const float* g, size_t filter, float* dw) {
    size_t channel = 0;
    for (; channel + 8 <= of.channels; channel += 8) tile<lanes, inBlocks, vectors, 8>(of, x, g, filter, channel, dw);
    for (; channel + 4 <= of.channels; channel += 4) tile<lanes, inBlocks, vectors, 4>(of, x, g, filter, channel, dw);
    for (; channel < of.channels; ++channel) tile<lanes, inBlocks, vectors, 1>(of, x, g, filter, channel, dw);
}

template <size_t lanes, bool inBlocks>
void filtersOf(const WeightGradient& of, const float* x, const float* g, float* dw) {
    size_t filter = 0;
    for (; filter + (together - 1) * lanes < of.filters; filter += together * lanes)
        channelsOf<lanes, inBlocks, together>(of, x, g, filter, dw);
    for (; filter < of.filters; filter += lanes) channelsOf<lanes, inBlocks, 1>(of, x, g, filter, dw);
}

}  // namespace

void weightGradient(const WeightGradient& of, const float* x, const float* g, float* dw) {
    constexpr size_t half = widest < 8 ? widest : 8;
    if (of.block == 16 && of.inBlocks) return filtersOf<widest, true>(of, x, g, dw);
    if (of.block == 16) return filtersOf<widest, false>(of, x, g, dw);
    if (of.inBlocks) return filtersOf<half, true>(of, x, g, dw);
    filtersOf<half, false>(of, x, g, dw);
}

}  // namespace fastsde::FASTSDE_ISA
