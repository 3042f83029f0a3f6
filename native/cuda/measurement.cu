// Replacement of the measured coordinates by alpha y + sigma z, as kernels/measurement.cc.
#include "kernel.h"

namespace fastsde::cuda {

FASTSDE_KERNEL(replace, MeasurementParameters) {
    const size_t i = threadNumber();
    if (i >= p.extent.count * p.extent.size) return;
    const size_t b = i / p.extent.size, e = i % p.extent.size;
    if (p.mask[e] == 0.0f) return;
    const float alpha = static_cast<float>(coefficient(p.rows, b, 2, 0));
    const float sigma = static_cast<float>(coefficient(p.rows, b, 2, 1));
    const float z = normalAt(p.noise.key, noiseBegin(p.noise, p.extent.size, b) + e);
    p.x[i] = multiplyAdd(sigma, z, multiply(alpha, p.y[i]));
}

/**
 * A thread for every pixel, a block of basisBlock of them: as on the CPU, the pixels of a block of which none is measured keep
 * their bits.
 */
FASTSDE_KERNEL(replace_in_basis, MeasurementParameters) {
    __shared__ bool any;
    const size_t pixels = p.extent.size / p.channels, blocks = (pixels + basisBlock - 1) / basisBlock;
    const size_t b = blockIdx.x / blocks, pixel = blockIdx.x % blocks * basisBlock + threadIdx.x;
    const bool isInside = pixel < pixels;
    if (threadIdx.x == 0) any = false;
    __syncthreads();
    if (isInside)
        for (size_t c = 0; c < p.channels; ++c)
            if (p.mask[c * pixels + pixel] != 0.0f) any = true;
    __syncthreads();
    if (!any || !isInside) return;
    const float alpha = static_cast<float>(coefficient(p.rows, b, 2, 0));
    const float sigma = static_cast<float>(coefficient(p.rows, b, 2, 1));
    const uint64_t begin = noiseBegin(p.noise, p.extent.size, b);
    float* const x = p.x + b * p.extent.size + pixel;
    const float* const y = p.y + b * p.extent.size + pixel;
    float change[maxChannels];
    for (size_t j = 0; j < p.channels; ++j) {
        change[j] = 0;
        if (p.mask[j * pixels + pixel] == 0.0f) continue;
        float u = 0;
        for (size_t c = 0; c < p.channels; ++c) u = multiplyAdd(p.basis[c * p.channels + j], x[c * pixels], u);
        const float z = normalAt(p.noise.key, begin + j * pixels + pixel);
        change[j] = add(multiplyAdd(sigma, z, multiply(alpha, y[j * pixels])), -u);
    }
    for (size_t c = 0; c < p.channels; ++c) {
        float value = x[c * pixels];
        for (size_t j = 0; j < p.channels; ++j) value = multiplyAdd(p.basis[c * p.channels + j], change[j], value);
        x[c * pixels] = value;
    }
}

}  // namespace fastsde::cuda
