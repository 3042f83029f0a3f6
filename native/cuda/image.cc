// The kernels as nvcc made them, where this build has any: FASTSDE_CUDA_IMAGE is the path of the file, as a string.
#include "image.h"

#if defined(FASTSDE_CUDA_IMAGE)
asm(".section .rodata,\"a\",@progbits\n"
    ".balign 64\n"
    "fastsde_cuda_image:\n"
    ".incbin \"" FASTSDE_CUDA_IMAGE "\"\n"
    ".previous\n");
extern "C" __attribute__((visibility("hidden"))) const unsigned char fastsde_cuda_image[];
#endif

namespace fastsde::cuda {

const void* image() {
#if defined(FASTSDE_CUDA_IMAGE)
    return fastsde_cuda_image;
#else
    return nullptr;
#endif
}

}  // namespace fastsde::cuda
