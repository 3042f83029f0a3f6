#include "driver.h"

#include <dlfcn.h>

#include <cstdlib>

#include "../symbol_version.h"

FASTSDE_SYMBOL_VERSION("dlopen", "GLIBC_2.2.5");
FASTSDE_SYMBOL_VERSION("dlsym", "GLIBC_2.2.5");
FASTSDE_SYMBOL_VERSION("dlerror", "GLIBC_2.2.5");

namespace fastsde::cuda {
namespace {

/** Compute capability 8.0, that of the oldest kernels in the package, needs CUDA 11; launches and modules have changed nothing since. */
constexpr int oldestVersion = 12000;

template <typename Function>
void find(void* library, const std::string& path, const char* name, Function*& function) {
    function = reinterpret_cast<Function*>(dlsym(library, name));
    if (function == nullptr) throw DriverError("the CUDA driver " + path + " is too old or incomplete: it has no " + name);
}

Driver open() {
    const char* asked = std::getenv("FASTSDE_LIBCUDA");
    const std::string path = asked == nullptr || *asked == 0 ? "libcuda.so.1" : asked;
    void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
        const char* const reason = dlerror();
        throw DriverError(std::string("there is no CUDA driver: ") + (reason == nullptr ? path : reason));
    }
    Driver driver{};
#define FASTSDE_FIND(name) find(library, path, #name, driver.name)
    FASTSDE_FIND(cuInit);
    FASTSDE_FIND(cuDriverGetVersion);
    FASTSDE_FIND(cuDeviceGetCount);
    FASTSDE_FIND(cuDeviceGet);
    FASTSDE_FIND(cuDeviceGetName);
    FASTSDE_FIND(cuDeviceGetAttribute);
    FASTSDE_FIND(cuDevicePrimaryCtxRetain);
    FASTSDE_FIND(cuDevicePrimaryCtxRelease_v2);
    FASTSDE_FIND(cuCtxSetCurrent);
    FASTSDE_FIND(cuModuleLoadData);
    FASTSDE_FIND(cuModuleUnload);
    FASTSDE_FIND(cuModuleGetFunction);
    FASTSDE_FIND(cuMemGetInfo_v2);
    FASTSDE_FIND(cuMemAlloc_v2);
    FASTSDE_FIND(cuMemFree_v2);
    FASTSDE_FIND(cuMemAllocHost_v2);
    FASTSDE_FIND(cuMemFreeHost);
    FASTSDE_FIND(cuMemcpyHtoDAsync_v2);
    FASTSDE_FIND(cuMemcpyDtoHAsync_v2);
    FASTSDE_FIND(cuMemcpyDtoDAsync_v2);
    FASTSDE_FIND(cuMemsetD8Async);
    FASTSDE_FIND(cuStreamCreate);
    FASTSDE_FIND(cuStreamDestroy_v2);
    FASTSDE_FIND(cuStreamSynchronize);
    FASTSDE_FIND(cuStreamWaitEvent);
    FASTSDE_FIND(cuEventCreate);
    FASTSDE_FIND(cuEventDestroy_v2);
    FASTSDE_FIND(cuEventRecord);
    FASTSDE_FIND(cuEventSynchronize);
    FASTSDE_FIND(cuLaunchKernel);
    FASTSDE_FIND(cuGetErrorString);
#undef FASTSDE_FIND
    driver.isEmulated = dlsym(library, "fastsdeEmulated") != nullptr;
    driver.check(driver.cuDriverGetVersion(&driver.version), "ask the driver for its version");
    if (driver.version < oldestVersion)
        throw DriverError("the CUDA driver is too old: it has CUDA " + std::to_string(driver.version / 1000) + "." +
                          std::to_string(driver.version % 1000 / 10) + ", and 12.0 is needed");
    driver.check(driver.cuInit(0), "start the driver");
    return driver;
}

}  // namespace

const Driver& Driver::get() {
    static const Driver driver = open();
    return driver;
}

void Driver::check(int code, const std::string& what) const {
    if (code == 0) return;
    const char* text = nullptr;
    if (cuGetErrorString(code, &text) != 0 || text == nullptr) text = "unknown error";
    throw DriverError("the CUDA driver does not " + what + ": " + text + " (" + std::to_string(code) + ")");
}

}  // namespace fastsde::cuda
