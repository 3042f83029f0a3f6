// Values kept between two bounds: 8 or 16 bytes of traffic per element.
#include "declarations.h"

namespace fastsde::FASTSDE_ISA {
namespace {

/** NaN compares as false, so it stays. */
template <typename T>
void clipTo(T* x, T low, T high, size_t n) {
    FASTSDE_INDEPENDENT
    for (size_t i = 0; i < n; ++i) {
        const T raised = x[i] < low ? low : x[i];
        x[i] = raised > high ? high : raised;
    }
}

}  // namespace

void clip(float* x, float low, float high, size_t n) { clipTo(x, low, high, n); }
void clipDouble(double* x, double low, double high, size_t n) { clipTo(x, low, high, n); }

}  // namespace fastsde::FASTSDE_ISA
