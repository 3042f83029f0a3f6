#include <array>

#include "../isa.h"
#include "operations.h"

namespace fastsde {

void addNoise(const Shape& shape, const Array& x, const float* v, std::span<const double> coefficients, const Noise& noise) {
    const Kernels& k = kernels();
    const BatchNoise source(noise, shape);
    parallelSamples(shape, normalNanoseconds + 3 * streamNanoseconds, [&](const Tile& tile, std::size_t) {
        forPieces(tile, [&](const Tile& piece, std::size_t) {
            std::array<float, pieceSize> noises;
            source.fill(k.normal, piece, noises.data());
            const float* z = noises.data();
            for (std::size_t b = piece.sample; b < piece.sample + piece.samples; ++b, z += piece.size) {
                const auto shift = static_cast<float>(coefficients[2 * b]);
                const auto factor = static_cast<float>(coefficients[2 * b + 1]);
                const std::size_t i = b * shape.size + piece.begin;
                if (x.isDouble)
                    k.addNoiseDouble(x.as<double>() + i, v + i, z, shift, factor, piece.size);
                else
                    k.addNoise(x.as<float>() + i, v + i, z, shift, factor, piece.size);
            }
        });
    });
}

}  // namespace fastsde
