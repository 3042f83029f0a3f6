#include <cstring>

#include "operations.h"

namespace fastsde {
namespace {

/** Copies sample from[b] to sample to[b] for every b; an empty list stands for all in order. */
void copyRows(const Shape& shape, const Array& out, const Array& x, std::span<const std::size_t> to,
              std::span<const std::size_t> from) {
    const std::size_t bytes = shape.size * (x.isDouble ? sizeof(double) : sizeof(float));
    const std::size_t perTile = std::max<std::size_t>(1, tileSize / shape.size);
    const double cost = streamNanoseconds * static_cast<double>(shape.elements());
    parallelTiles((shape.count + perTile - 1) / perTile, cost, [&](std::size_t tile) {
        const std::size_t end = std::min((tile + 1) * perTile, shape.count);
        for (std::size_t b = tile * perTile; b < end; ++b)
            std::memcpy(out.as<char>() + (to.empty() ? b : to[b]) * bytes,
                        x.as<const char>() + (from.empty() ? b : from[b]) * bytes, bytes);
    });
}

}  // namespace

void gather(const Shape& shape, const Array& out, const Array& x, std::span<const std::size_t> rows) {
    copyRows(shape, out, x, {}, rows);
}

void scatter(const Shape& shape, const Array& out, const Array& x, std::span<const std::size_t> rows) {
    copyRows(shape, out, x, rows, {});
}

}  // namespace fastsde
