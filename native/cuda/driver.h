// The driver of CUDA, opened at run time: neither its toolkit nor its runtime is needed to compile or to install.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace fastsde::cuda {

using DevicePointer = std::uint64_t;

/** Of cuStreamCreate and cuEventCreate: not with the default stream, and without times. */
constexpr unsigned int nonBlocking = 1, disableTiming = 2;

/** What the driver does not do, or why there is none. */
struct DriverError : std::runtime_error {
    using runtime_error::runtime_error;
};

/** The functions of the driver, as cuda.h declares them; handles are pointers of its own. */
struct Driver {
    int (*cuInit)(unsigned int);
    int (*cuDriverGetVersion)(int*);
    int (*cuDeviceGetCount)(int*);
    int (*cuDeviceGet)(int*, int);
    int (*cuDeviceGetName)(char*, int, int);
    int (*cuDeviceGetAttribute)(int*, int, int);
    int (*cuDevicePrimaryCtxRetain)(void**, int);
    int (*cuDevicePrimaryCtxRelease_v2)(int);
    int (*cuCtxSetCurrent)(void*);
    int (*cuModuleLoadData)(void**, const void*);
    int (*cuModuleUnload)(void*);
    int (*cuModuleGetFunction)(void**, void*, const char*);
    int (*cuMemGetInfo_v2)(std::size_t*, std::size_t*);
    int (*cuMemAlloc_v2)(DevicePointer*, std::size_t);
    int (*cuMemFree_v2)(DevicePointer);
    int (*cuMemAllocHost_v2)(void**, std::size_t);
    int (*cuMemFreeHost)(void*);
    int (*cuMemcpyHtoDAsync_v2)(DevicePointer, const void*, std::size_t, void*);
    int (*cuMemcpyDtoHAsync_v2)(void*, DevicePointer, std::size_t, void*);
    int (*cuMemcpyDtoDAsync_v2)(DevicePointer, DevicePointer, std::size_t, void*);
    int (*cuMemsetD8Async)(DevicePointer, unsigned char, std::size_t, void*);
    int (*cuStreamCreate)(void**, unsigned int);
    int (*cuStreamDestroy_v2)(void*);
    int (*cuStreamSynchronize)(void*);
    int (*cuStreamWaitEvent)(void*, void*, unsigned int);
    int (*cuEventCreate)(void**, unsigned int);
    int (*cuEventDestroy_v2)(void*);
    int (*cuEventRecord)(void*, void*);
    int (*cuEventSynchronize)(void*);
    int (*cuLaunchKernel)(void*, unsigned int, unsigned int, unsigned int, unsigned int, unsigned int, unsigned int,
                          unsigned int, void*, void**, void**);
    int (*cuGetErrorString)(int, const char**);

    /** Whether it is no driver but the stand-in of the tests, whose device is the host. */
    bool isEmulated;
    int version;  // of CUDA: 1000 major + 10 minor

    /**
     * Opened once for the process: the library that FASTSDE_LIBCUDA names, or that of the system.
     * @throws DriverError where there is none, or one that is too old
     */
    static const Driver& get();

    /** @throws DriverError where `code` is not success, which says what was asked and what the driver says. */
    void check(int code, const std::string& what) const;
};

}  // namespace fastsde::cuda
