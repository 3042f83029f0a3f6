#include <array>

#include "../isa.h"
#include "operations.h"

namespace fastsde {

void fill(const Shape& shape, const Array& out, Distribution distribution, const Noise& noise) {
    const Kernels& k = kernels();
    const Fill kernel = distribution == Distribution::normal    ? k.normal
                        : distribution == Distribution::uniform ? k.uniform
                                                                : k.rademacher;
    const double cost = distribution == Distribution::rademacher ? streamNanoseconds : normalNanoseconds;
    const BatchNoise source(noise, shape);
    parallelSamples(shape, cost, [&](const Tile& tile, std::size_t) {
        if (!out.isDouble) return source.fill(kernel, tile, out.as<float>() + tile.first(shape));
        forPieces(tile, [&](const Tile& piece, std::size_t) {
            std::array<float, pieceSize> values;
            source.fill(kernel, piece, values.data());
            k.widen(values.data(), piece.elements(), out.as<double>() + piece.first(shape));
        });
    });
}

}  // namespace fastsde
