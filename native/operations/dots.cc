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
    const std::size_t blocks = shape.blocks();
    std::vector<double> partial(blocks == 1 ? 0 : shape.count * blocks);
    parallelSamples(shape, streamNanoseconds, [&](const Tile& tile, std::size_t number) {
        if (blocks > 1) {
            partial[number] = dotOf(k, a, b, tile.first(shape), tile.size);
            return;
        }
        for (std::size_t s = tile.sample; s < tile.sample + tile.samples; ++s)
            out[s] = dotOf(k, a, b, s * shape.size, shape.size);
    });
    if (blocks == 1) return;
    for (std::size_t s = 0; s < shape.count; ++s) {
        out[s] = 0;
        for (std::size_t i = 0; i < blocks; ++i) out[s] += partial[s * blocks + i];
    }
}

}  // namespace fastsde
