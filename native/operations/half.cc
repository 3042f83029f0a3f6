#include "../half.h"

#include "operations.h"

namespace fastsde {
namespace {

constexpr double halfNanoseconds = 1.5;

}  // namespace

void toHalf(std::span<const float> x, std::uint16_t* out) {
    parallelRange(x.size(), halfNanoseconds, [&](std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) out[i] = halfOf(x[i]);
    });
}

void fromHalf(std::span<const std::uint16_t> halves, float* out) {
    parallelRange(halves.size(), halfNanoseconds, [&](std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) out[i] = floatOfHalf(halves[i]);
    });
}

}  // namespace fastsde
