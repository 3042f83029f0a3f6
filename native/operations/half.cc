// IEEE 754 half precision, as bits, for networks that take or give it.
#include <bit>
#include <cmath>
#include <limits>

#include "operations.h"

namespace fastsde {
namespace {

constexpr double halfNanoseconds = 1.5;

/** To nearest, ties to even; overflow gives infinity, and NaN the quiet one. */
std::uint16_t toHalf(float value) {
    const auto word = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t sign = (word >> 16) & 0x8000, magnitude = word & 0x7fffffff;
    if (magnitude >= 0x7f800000) return static_cast<std::uint16_t>(sign | (magnitude > 0x7f800000 ? 0x7e00 : 0x7c00));
    if (magnitude >= 0x477ff000) return static_cast<std::uint16_t>(sign | 0x7c00);
    // Below 2^-14 a half is a multiple of 2^-24, and adding 1/2 to a float rounds to just that.
    if (magnitude < 0x38800000)
        return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(std::fabs(value) + 0.5f) - 0x3f000000));
    const std::uint32_t odd = (magnitude >> 13) & 1;
    return static_cast<std::uint16_t>(sign | ((magnitude - 0x38000000 + 0xfff + odd) >> 13));
}

float fromHalf(std::uint16_t half) {
    const std::uint32_t exponent = (half >> 10) & 0x1f, fraction = half & 0x3ff, sign = half & 0x8000u;
    if (exponent == 31 && fraction != 0) return std::numeric_limits<float>::quiet_NaN();
    const float size = exponent == 0 ? static_cast<float>(fraction) * 0x1p-24f
                       : exponent == 31
                           ? std::numeric_limits<float>::infinity()
                           : std::bit_cast<float>(((exponent + 112) << 23) | (fraction << 13));
    return sign != 0 ? -size : size;
}

}  // namespace

void toHalf(std::span<const float> x, std::uint16_t* out) {
    parallelRange(x.size(), halfNanoseconds, [&](std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) out[i] = toHalf(x[i]);
    });
}

void fromHalf(std::span<const std::uint16_t> halves, float* out) {
    parallelRange(halves.size(), halfNanoseconds, [&](std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) out[i] = fromHalf(halves[i]);
    });
}

}  // namespace fastsde
