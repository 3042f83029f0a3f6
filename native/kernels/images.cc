// Images between floats in a range and bytes: 5 bytes of traffic per element.
#include "declarations.h"

namespace fastsde::FASTSDE_ISA {

void toBytes(const float* x, float scale, float shift, uint8_t* out, size_t n) {
    for (size_t i = 0; i < n; ++i) {
        float v = multiplyAdd(x[i], scale, shift);
        v = v > 0.0f ? v : 0.0f;  // also NaN
        v = v < 255.0f ? v : 255.0f;
        // Adding 2^23 leaves the integer, rounded to nearest even, in the low bits.
        out[i] = static_cast<uint8_t>(bitsOf(add(v, 8388608.0f)));
    }
}

void fromBytes(const uint8_t* bytes, float scale, float shift, float* out, size_t n) {
    for (size_t i = 0; i < n; ++i) out[i] = multiplyAdd(toFloat(bytes[i]), scale, shift);
}

}  // namespace fastsde::FASTSDE_ISA
