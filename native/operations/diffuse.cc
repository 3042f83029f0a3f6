#include <array>

#include "../isa.h"
#include "operations.h"

namespace fastsde {
namespace {

/** Elements [begin, begin + n) of a sample as floats; `out` is used where they are not floats in place
 * already. */
const float* load(const Kernels& k, const Shape& shape, const CleanData& data, std::size_t sample,
                  std::size_t begin, std::size_t n, float* out) {
    const std::size_t start = sample * shape.size;
    const auto scale = static_cast<float>((data.high - data.low) / 255);
    const auto shift = static_cast<float>(data.low);
    if (data.flips.empty() || data.flips[sample] == 0) {
        if (data.bytes == nullptr) return data.floats + start + begin;
        k.fromBytes(data.bytes + start + begin, scale, shift, out, n);
        return out;
    }
    for (std::size_t done = 0; done < n;) {
        const std::size_t column = (begin + done) % data.width, row = begin + done - column;
        const std::size_t now = std::min(n - done, data.width - column);
        const std::size_t from = start + row + data.width - column - now;
        if (data.bytes == nullptr)
            k.mirror(data.floats + from, out + done, now);
        else
            k.mirrorBytes(data.bytes + from, scale, shift, out + done, now);
        done += now;
    }
    return out;
}

}  // namespace

void diffuse(const Shape& shape, float* x, float* target, const CleanData& data,
             std::span<const double> coefficients, const Noise& noise) {
    const Kernels& k = kernels();
    const BatchNoise source(noise, shape);
    parallelSamples(shape, normalNanoseconds + 2 * streamNanoseconds, [&](const Tile& tile, std::size_t) {
        forPieces(tile, [&](const Tile& piece, std::size_t) {
            std::array<float, pieceSize> noises, clean;
            source.fill(k.normal, piece, noises.data());
            const float* z = noises.data();
            for (std::size_t b = piece.sample; b < piece.sample + piece.samples; ++b, z += piece.size) {
                const double* c = coefficients.data() + 4 * b;
                const Diffusion at{static_cast<float>(c[0]), static_cast<float>(c[1]),
                                   static_cast<float>(c[2]), static_cast<float>(c[3])};
                const float* x0 = load(k, shape, data, b, piece.begin, piece.size, clean.data());
                const std::size_t i = b * shape.size + piece.begin;
                k.diffuse(x + i, target == nullptr ? nullptr : target + i, x0, z, at, piece.size);
            }
        });
    });
}

}  // namespace fastsde
