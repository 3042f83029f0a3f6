#include "batch.h"

namespace fastsde {

void BatchNoise::fill(std::size_t begin, std::size_t n, float* out) const {
    if (noise_.samples.empty()) return fill_(noise_.key, noise_.first * shape_.size + begin, n, out);
    const auto index = [&](std::size_t b) { return static_cast<std::uint64_t>(noise_.samples[b]); };
    while (n > 0) {
        const std::size_t b = begin / shape_.size;
        std::size_t last = b;  // consecutive samples in one go
        while ((last + 1) * shape_.size < begin + n && index(last + 1) == index(last) + 1) ++last;
        const std::size_t now = std::min(n, (last + 1) * shape_.size - begin);
        fill_(noise_.key, index(b) * shape_.size + (begin - b * shape_.size), now, out);
        begin += now, n -= now, out += now;
    }
}

std::size_t BatchNoise::pieceEnd(std::size_t begin, std::size_t end) const {
    const std::size_t offset = noise_.samples.empty() ? (noise_.first * shape_.size + begin) % chunkSize : 0;
    return std::min(end, begin + pieceSize - offset);
}

bool BatchNoise::addressable(const Noise& noise, const Shape& shape) {
    std::uint64_t last = noise.first + shape.count - 1, end = 0;
    if (!noise.samples.empty())
        last = static_cast<std::uint64_t>(*std::max_element(noise.samples.begin(), noise.samples.end()));
    return !__builtin_mul_overflow(last + 1, static_cast<std::uint64_t>(shape.size), &end);
}

}  // namespace fastsde
