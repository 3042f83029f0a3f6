#include "batch.h"

namespace fastsde {

void BatchNoise::fill(Fill kernel, const Tile& tile, float* out) const {
    const bool gaps = stride_ != tile.size;
    for (std::size_t b = tile.sample, end = b + tile.samples; b < end;) {
        std::size_t next = b + 1;  // samples without gaps between them in one go
        while (!gaps && next < end && index(next) == index(next - 1) + 1) ++next;
        const std::size_t n = (next - b) * tile.size;
        kernel(key(), at(b, tile.begin), n, out);
        b = next, out += n;
    }
}

bool BatchNoise::addressable(const Noise& noise, const Shape& shape) {
    std::uint64_t last = noise.first + shape.count - 1, end = 0;
    if (!noise.samples.empty())
        last = static_cast<std::uint64_t>(*std::max_element(noise.samples.begin(), noise.samples.end()));
    return !__builtin_mul_overflow(last + 1, sampleStride(shape.size), &end) && end <= maxFlatIndex;
}

}  // namespace fastsde
