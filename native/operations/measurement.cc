#include <array>
#include <vector>

#include "../isa.h"
#include "operations.h"

namespace fastsde {
namespace {

bool anySet(const float* mask, std::size_t n) {
    return std::any_of(mask, mask + n, [](float m) { return m != 0; });
}

}  // namespace

void projectMeasurement(const Shape& shape, float* x, const float* y, const float* mask,
                        std::span<const double> coefficients, const Noise& noise,
                        std::span<const float> basis, std::size_t channels) {
    const Kernels& k = kernels();
    const BatchNoise source(noise, shape);
    const std::size_t pixels = basis.empty() ? shape.size : shape.size / channels;
    const std::size_t block = basis.empty() ? pieceSize : basisBlock;
    const std::size_t blocks = (pixels + block - 1) / block;

    // Which channel has a measurement in which block of pixels; the others need no noise and no update.
    const std::size_t rows = basis.empty() ? 1 : channels;
    std::vector<std::uint8_t> measured(blocks * rows);
    std::size_t active = 0;
    for (std::size_t i = 0; i < blocks; ++i)
        for (std::size_t c = 0; c < rows; ++c) {
            const bool any = anySet(mask + c * pixels + i * block, std::min(block, pixels - i * block));
            measured[i * rows + c] = any;
            active += any;
        }

    const double cost =
        static_cast<double>(shape.count * active * block) * (normalNanoseconds + streamNanoseconds);
    const std::size_t perTile = std::max<std::size_t>(1, tileSize / block), total = shape.count * blocks;
    parallelTiles((total + perTile - 1) / perTile, cost, [&](std::size_t tile) {
        std::array<float, std::max(pieceSize, maxChannels * basisBlock)> z;
        for (std::size_t i = tile * perTile; i < std::min((tile + 1) * perTile, total); ++i) {
            const std::size_t sample = i / blocks, pixel = i % blocks * block,
                              n = std::min(block, pixels - pixel);
            const std::uint8_t* any = measured.data() + i % blocks * rows;
            if (std::none_of(any, any + rows, [](std::uint8_t m) { return m != 0; })) continue;
            const std::size_t begin = sample * shape.size + pixel;
            const float alpha = static_cast<float>(coefficients[2 * sample]);
            const float sigma = static_cast<float>(coefficients[2 * sample + 1]);
            for (std::size_t c = 0; c < rows; ++c)
                if (any[c])
                    k.normal(source.key(), source.at(sample, pixel + c * pixels), n, z.data() + c * n);
                else
                    std::fill_n(z.data() + c * n, n, 0.0f);
            if (basis.empty())
                k.replace(x + begin, y + begin, mask + pixel, alpha, sigma, z.data(), n);
            else
                k.replaceInBasis(x + begin, y + begin, mask + pixel, basis.data(), channels, pixels, alpha,
                                 sigma, z.data(), n);
        }
    });
}

}  // namespace fastsde
