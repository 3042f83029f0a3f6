#include <array>

#include "../isa.h"
#include "operations.h"

namespace fastsde {
namespace {

/** Elements [begin, begin + n) of a sample as floats; `out` is used where they are not floats in place already. */
const float* load(const Kernels& k, const Shape& shape, const CleanData& data, std::size_t sample,
                  std::size_t begin, std::size_t n, float* out) {
    const std::size_t start = sample * shape.size;
    const auto scale = static_cast<float>((data.high - data.low) / 255);
    const auto shift = static_cast<float>(data.low);
    if (data.flips.empty() || data.flips[sample] == 0) {
        if (data.bytes == nullptr) return data.floats + start + begin;
        k.fromBytes(data.bytes + start + begin, scale, shift, out, n);
        return out;
    }
    for (std::size_t done = 0; done < n;) {
        const std::size_t column = (begin + done) % data.width, row = begin + done - column;
        const std::size_t now = std::min(n - done, data.width - column);
        const std::size_t from = start + row + data.width - column - now;
        if (data.bytes == nullptr)
            k.mirror(data.floats + from, out + done, now);
        else
            k.mirrorBytes(data.bytes + from, scale, shift, out + done, now);
        done += now;
    }
    return out;
}

}  // namespace

void diffuse(const Shape& shape, float* x, float* target, const CleanData& data,
             std::span<const double> coefficients, const Noise& noise) {
    const Kernels& k = kernels();
    const BatchNoise source(noise, shape, k.normal);
    parallelRange(shape.elements(), normalNanoseconds + 2 * streamNanoseconds,
                  [&](std::size_t begin, std::size_t end) {
                      std::array<float, pieceSize> z, clean;
                      while (begin < end) {
                          const std::size_t next = source.pieceEnd(begin, end);
                          source.fill(begin, next - begin, z.data());
                          for (std::size_t from = begin; from < next;) {
                              const std::size_t sample = from / shape.size;
                              const std::size_t n = std::min(next, (sample + 1) * shape.size) - from;
                              const double* c = coefficients.data() + 4 * sample;
                              const Diffusion at{static_cast<float>(c[0]), static_cast<float>(c[1]),
                                                 static_cast<float>(c[2]), static_cast<float>(c[3])};
                              const float* x0 =
                                  load(k, shape, data, sample, from - sample * shape.size, n, clean.data());
                              k.diffuse(x + from, target == nullptr ? nullptr : target + from, x0,
                                        z.data() + (from - begin), at, n);
                              from += n;
                          }
                          begin = next;
                      }
                  });
}

}  // namespace fastsde
