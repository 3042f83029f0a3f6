#include "../isa.h"
#include "operations.h"

namespace fastsde {

void scaledErrors(const Shape& shape, const double* error, const double* before, const double* after,
                  const ErrorMeasure& measure, std::span<double> out) {
    const Kernels& k = kernels();
    const std::size_t perTile = std::max<std::size_t>(1, tileSize / shape.size);
    const double cost = sumNanoseconds * static_cast<double>(shape.elements());
    parallelTiles((shape.count + perTile - 1) / perTile, cost, [&](std::size_t tile) {
        const std::size_t end = std::min((tile + 1) * perTile, shape.count);
        for (std::size_t b = tile * perTile; b < end; ++b) {
            const std::size_t i = b * shape.size;
            out[b] = k.scaledSquares(error + i, before + i, after + i, measure, shape.size);
            if (!measure.largest) out[b] /= static_cast<double>(shape.size);
        }
    });
}

}  // namespace fastsde
