#include "../isa.h"
#include "operations.h"

namespace fastsde {

void toBytes(std::span<const float> x, double low, double high, std::uint8_t* out) {
    const Kernels& k = kernels();
    const double scale = 255 / (high - low);
    parallelRange(x.size(), streamNanoseconds, [&](std::size_t begin, std::size_t end) {
        k.toBytes(x.data() + begin, static_cast<float>(scale), static_cast<float>(-low * scale), out + begin,
                  end - begin);
    });
}

void fromBytes(std::span<const std::uint8_t> bytes, double low, double high, float* out) {
    const Kernels& k = kernels();
    const double scale = (high - low) / 255;
    parallelRange(bytes.size(), streamNanoseconds, [&](std::size_t begin, std::size_t end) {
        k.fromBytes(bytes.data() + begin, static_cast<float>(scale), static_cast<float>(low), out + begin,
                    end - begin);
    });
}

}  // namespace fastsde
