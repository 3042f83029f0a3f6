// x + e^(shift + factor v) z: noise of a deviation that a network predicts for every element.
#include "../kernels/exponential.h"
#include "kernel.h"

namespace fastsde::cuda {
namespace {

template <typename T>
FASTSDE_DEVICE void addNoiseElement(const AddNoiseParameters& p) {
    const size_t i = threadNumber();
    if (i >= p.extent.count * p.extent.size) return;
    const size_t b = i / p.extent.size;
    const float shift = static_cast<float>(coefficient(p.rows, b, 2, 0));
    const float factor = static_cast<float>(coefficient(p.rows, b, 2, 1));
    const float z = normalAt(p.noise.key, noiseBegin(p.noise, p.extent.size, b) + i % p.extent.size);
    T* const x = static_cast<T*>(p.x) + i;
    *x = multiplyAdd(static_cast<T>(exponential(withinExponents(multiplyAdd(factor, p.v[i], shift)))), static_cast<T>(z), *x);
}

}  // namespace

FASTSDE_KERNEL(add_noise_single, AddNoiseParameters) { addNoiseElement<float>(p); }
FASTSDE_KERNEL(add_noise_double, AddNoiseParameters) { addNoiseElement<double>(p); }

}  // namespace fastsde::cuda
