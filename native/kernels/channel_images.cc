// Images by channel, samples side by side, as the gradient of a convolution's weights takes them: 8 bytes of traffic per element and a
// transposition in registers and L1.
#include "declarations.h"

namespace fastsde::FASTSDE_ISA {
namespace {

/** Rows of `width` numbers, `stride` apart, as columns `apart` apart. */
template <size_t width>
FASTSDE_INLINE void transpose(const float* in, size_t stride, float* out, size_t apart) {
    float tile[width * width];
    for (size_t l = 0; l < width; ++l)
        for (size_t c = 0; c < width; ++c) tile[l * width + c] = in[l * stride + c];
    for (size_t c = 0; c < width; ++c)
        for (size_t l = 0; l < width; ++l) out[c * apart + l] = tile[l * width + c];
}

template <size_t width>
FASTSDE_INLINE void arrange(const ChannelImages& of, const float* x, float* out) {
    const size_t positions = of.height * of.width, place = of.outHeight * of.outWidth;
    const size_t sample = of.channels * positions, blocks = of.batch / width;
    const size_t together = of.inBlocks ? width : 1;  // channels that lie side by side
    for (size_t i = 0; i < of.channels * of.batch * place; ++i) out[i] = 0;
    for (size_t c = 0; c < of.channels; c += together)
        for (size_t n = 0; n < blocks; ++n) {
            const float* from = x + n * width * sample + c * positions;
            float* to = out + (c * blocks + n) * place * width;
            for (size_t h = 0; h < of.height && h + of.top < of.outHeight; ++h)
                for (size_t w = 0; w < of.width && w + of.left < of.outWidth; ++w) {
                    const float* row = from + (h * of.width + w) * together;
                    float* target = to + ((h + of.top) * of.outWidth + w + of.left) * width;
                    if (of.inBlocks)
                        transpose<width>(row, sample, target, blocks * place * width);
                    else
                        for (size_t l = 0; l < width; ++l) target[l] = row[l * sample];
                }
        }
}

}  // namespace

void channelImages(const ChannelImages& of, const float* x, float* out) {
    if (of.block == 16) return arrange<16>(of, x, out);
    arrange<8>(of, x, out);
}

}  // namespace fastsde::FASTSDE_ISA
