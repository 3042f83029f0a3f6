#include <vector>

#include "../isa.h"
#include "operations.h"

namespace fastsde {
namespace {

double dotOf(const Kernels& k, const Array& a, const Array& b, std::size_t begin, std::size_t n) {
    if (a.isDouble && b.isDouble)
        return k.dotDouble(a.as<const double>() + begin, b.as<const double>() + begin, n);
    if (a.isDouble) return k.dotMixed(a.as<const double>() + begin, b.as<const float>() + begin, n);
    if (b.isDouble) return k.dotMixed(b.as<const double>() + begin, a.as<const float>() + begin, n);
    return k.dot(a.as<const float>() + begin, b.as<const float>() + begin, n);
}

}  // namespace

void dots(const Shape& shape, const Array& a, const Array& b, std::span<double> out) {
    const Kernels& k = kernels();
    const std::size_t blocks = (shape.size + normBlock - 1) / normBlock;
    const double cost = streamNanoseconds * static_cast<double>(shape.elements());
    if (blocks == 1) {
        const std::size_t perTile = std::max<std::size_t>(1, tileSize / shape.size);
        parallelTiles((shape.count + perTile - 1) / perTile, cost, [&](std::size_t tile) {
            const std::size_t end = std::min((tile + 1) * perTile, shape.count);
            for (std::size_t s = tile * perTile; s < end; ++s)
                out[s] = dotOf(k, a, b, s * shape.size, shape.size);
        });
        return;
    }
    std::vector<double> partial(shape.count * blocks);
    parallelTiles(partial.size(), cost, [&](std::size_t tile) {
        const std::size_t sample = tile / blocks, begin = tile % blocks * normBlock;
        partial[tile] = dotOf(k, a, b, sample * shape.size + begin, std::min(normBlock, shape.size - begin));
    });
    for (std::size_t s = 0; s < shape.count; ++s) {
        out[s] = 0;
        for (std::size_t i = 0; i < blocks; ++i) out[s] += partial[s * blocks + i];
    }
}

}  // namespace fastsde
