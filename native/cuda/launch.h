// The noise and affine kernels on a GPU, with the bits of the CPU. All pointers are device memory.
#pragma once

#include <cuda_runtime_api.h>

#include "../limits.h"
#include "../noise.h"

namespace fastsde::cuda {

/** Samples of one size, contiguous in memory, with consecutive global indices. */
struct Batch {
    size_t samples;
    size_t size;
    uint64_t first;  // global index of the first sample
};

cudaError_t fillNormal(float* out, const Batch& batch, const NoiseKey& key, cudaStream_t stream);

/** out = sum_j c[b][j] x[j] + c[b][operands] z; see operations/operations.h. */
struct Affine {
    float* out;
    float* mean;  // or null
    const float* x[maxOperands];
    int operands;
    const float* c;  // row-major [samples][operands + 1]
    Batch batch;
    bool noise;
    NoiseKey key;
};

cudaError_t affine(const Affine& arguments, cudaStream_t stream);

}  // namespace fastsde::cuda
