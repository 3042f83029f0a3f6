#include <cstring>

#include "operations.h"

namespace fastsde {

void gather(const Shape& shape, const Array& out, const Array& x, std::span<const std::size_t> rows) {
    const std::size_t bytes = shape.size * (x.isDouble ? sizeof(double) : sizeof(float));
    const std::size_t perTile = std::max<std::size_t>(1, tileSize / shape.size);
    const double cost = streamNanoseconds * static_cast<double>(shape.elements());
    parallelTiles((shape.count + perTile - 1) / perTile, cost, [&](std::size_t tile) {
        const std::size_t end = std::min((tile + 1) * perTile, shape.count);
        for (std::size_t b = tile * perTile; b < end; ++b)
            std::memcpy(out.as<char>() + b * bytes, x.as<const char>() + rows[b] * bytes, bytes);
    });
}

}  // namespace fastsde
