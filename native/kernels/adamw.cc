// Steps of AdamW and of averages of the parameters. 28 bytes of traffic per element and 8 per average.
#include "../adamw.h"
#include "declarations.h"

namespace fastsde::FASTSDE_ISA {

void adamw(float* p, const float* g, float* m, float* v, const AdamWStep& step, size_t n) {
    const AdamWStep c = step;
    FASTSDE_INDEPENDENT
    for (size_t i = 0; i < n; ++i) p[i] = adamwElement(c, g[i], m[i], v[i], p[i]);
}

void average(float* mean, const float* p, float decay, size_t n) {
    FASTSDE_INDEPENDENT
    for (size_t i = 0; i < n; ++i) mean[i] = averaged(decay, mean[i], p[i]);
}

}  // namespace fastsde::FASTSDE_ISA
