#include "library.h"

#include <dlfcn.h>

#if defined(__linux__)
#include <link.h>
#endif

#include <atomic>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <vector>

#include "../symbol_version.h"

FASTSDE_SYMBOL_VERSION("dlopen", "GLIBC_2.2.5");
FASTSDE_SYMBOL_VERSION("dlsym", "GLIBC_2.2.5");
FASTSDE_SYMBOL_VERSION("dlerror", "GLIBC_2.2.5");

namespace fastsde::onnx {
namespace {

/** Minor versions of ONNX Runtime 1 that were tried. */
constexpr int oldestVersion = 17, newestVersion = 32;
constexpr int fatal = 4;  // the log level: what fails is thrown, not printed as well

struct ApiBase {
    void* const* (*getApi)(std::uint32_t version);
    const char* (*getVersionString)();
};

/** Paths of the ONNX Runtime libraries that the process has loaded. */
std::vector<std::string> loadedLibraries() {
    std::vector<std::string> paths;
#if defined(__linux__)
    const auto visit = [](dl_phdr_info* info, std::size_t, void* data) {
        const char* slash = std::strrchr(info->dlpi_name, '/');
        const char* name = slash == nullptr ? info->dlpi_name : slash + 1;
        if (std::strncmp(name, "libonnxruntime.so", 17) == 0)
            static_cast<std::vector<std::string>*>(data)->emplace_back(info->dlpi_name);
        return 0;
    };
    dl_iterate_phdr(visit, &paths);
#endif
    return paths;
}

/** The path without links; itself where there is no such file. */
std::string resolved(const std::string& path) {
    char* real = realpath(path.c_str(), nullptr);
    if (real == nullptr) return path;
    const std::string result = real;
    std::free(real);
    return result;
}

/** The path of the library to use. */
std::string choose(const std::string& asked, const std::string& otherwise) {
    const std::vector<std::string> loaded = loadedLibraries();
    if (asked.empty()) return loaded.empty() ? otherwise : loaded.front();
    for (const std::string& path : loaded)
        if (resolved(path) == resolved(asked)) return path;
    if (!loaded.empty())
        throw LibraryError("FASTSDE_ONNXRUNTIME names " + asked + ", but the process has loaded " +
                           loaded.front() + ", and one process can hold one ONNX Runtime. Unset the variable, or " +
                           "load no other library first");
    return asked;
}

bool isInRange(const std::string& version) {
    if (version.compare(0, 2, "1.") != 0) return false;
    int minor = 0;
    std::from_chars(version.data() + 2, version.data() + version.size(), minor);
    return minor >= oldestVersion && minor <= newestVersion;
}

Library open(const std::string& path) {
    if (path.empty())
        throw LibraryError(
            "no library of ONNX Runtime was found. Install onnxruntime-node beside fastsde, or name a library in the "
            "environment variable FASTSDE_ONNXRUNTIME");
    // Not closed again: its threads and destructors would outlive it.
    void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) throw LibraryError(path + " cannot be loaded: " + dlerror());
    const auto base = reinterpret_cast<const ApiBase* (*)()>(dlsym(handle, "OrtGetApiBase"));
    if (base == nullptr) throw LibraryError(path + " is no library of ONNX Runtime");

    Library library{.path = path, .version = base()->getVersionString(), .functions = {}, .environment = nullptr,
                    .memory = nullptr, .gpuMemory = nullptr};
    void* const* table = isInRange(library.version) ? base()->getApi(oldestVersion) : nullptr;
    if (table == nullptr)
        throw LibraryError(path + " is ONNX Runtime " + library.version + "; fastsde uses 1." +
                           std::to_string(oldestVersion) + " to 1." + std::to_string(newestVersion));
    library.functions = Functions(table);
    return library;
}

std::mutex opening;
std::atomic<const Library*> opened = nullptr;  // never destroyed: runs may last until the process ends

}  // namespace

const Library& openLibrary(const std::string& asked, const std::string& otherwise) {
    const std::lock_guard lock(opening);
    if (const Library* library = opened.load()) {
        if (!asked.empty()) choose(asked, otherwise);
        return *library;
    }
    auto library = std::make_unique<Library>(open(choose(asked, otherwise)));
    const auto raise = [&](Status* status) {
        if (status == nullptr) return;
        const std::string message = library->functions.GetErrorMessage(status);
        library->functions.ReleaseStatus(status);
        throw LibraryError(library->path + " does not start: " + message);
    };
    raise(library->functions.CreateEnv(fatal, "fastsde", &library->environment));
    MemoryInfo* memory = nullptr;
    raise(library->functions.CreateMemoryInfo("Cpu", 0, 0, 0, &memory));
    library->memory = memory;
    raise(library->functions.CreateMemoryInfo("Cuda", 0, 0, 0, &memory));
    library->gpuMemory = memory;
    opened.store(library.release());
    return *opened.load();
}

void loadLibrary(const std::string& path) { dlopen(path.c_str(), RTLD_LAZY | RTLD_GLOBAL); }

const Library& library() {
    const Library* library = opened.load(std::memory_order_acquire);
    if (library == nullptr) throw LibraryError("no library of ONNX Runtime is open");
    return *library;
}

void check(Status* status) {
    if (status == nullptr) return;
    const Functions& f = library().functions;
    const std::string message = f.GetErrorMessage(status);
    f.ReleaseStatus(status);
    throw RuntimeError(message);
}

}  // namespace fastsde::onnx
