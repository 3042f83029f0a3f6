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
    const BatchNoise source(noise, shape, kernel);
    parallelRange(shape.elements(), cost, [&](std::size_t begin, std::size_t end) {
        if (!out.isDouble) return source.fill(begin, end - begin, out.as<float>() + begin);
        std::array<float, pieceSize> values;
        while (begin < end) {
            const std::size_t next = source.pieceEnd(begin, end);
            source.fill(begin, next - begin, values.data());
            k.widen(values.data(), next - begin, out.as<double>() + begin);
            begin = next;
        }
    });
}

}  // namespace fastsde
