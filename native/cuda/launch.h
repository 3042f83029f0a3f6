// The noise and affine kernels on a GPU, with the bits of the CPU. All pointers are device memory.
#pragma once

#include <cuda_runtime_api.h>

#include "../limits.h"
#include "../noise.h"

namespace fastsde::cuda {

/** The normals of the flat indices [first, first + n). */
cudaError_t fillNormal(float* out, size_t n, const NoiseKey& key, uint64_t first, cudaStream_t stream);

/** out = sum_j c[b][j] x[j] + c[b][operands] z for samples b of `size` elements; see operations/operations.h. */
struct Affine {
    float* out;
    float* mean;  // or null
    const float* x[maxOperands];
    int operands;
    const float* c;  // row-major [n / size][operands + 1]
    size_t n;
    size_t size;
    bool noise;
    NoiseKey key;
    uint64_t first;  // flat index of the first element
};

cudaError_t affine(const Affine& arguments, cudaStream_t stream);

}  // namespace fastsde::cuda
