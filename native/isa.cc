#include "isa.h"

#include <atomic>

namespace fastsde {

#if defined(__aarch64__)
namespace neon {
extern const Kernels kernels;
}
#else
namespace baseline {
extern const Kernels kernels;
}
#endif
#if defined(__x86_64__)
namespace avx2 {
extern const Kernels kernels;
}
namespace avx512 {
extern const Kernels kernels;
}
#endif

namespace {

std::vector<const Kernels*> supported() {
    std::vector<const Kernels*> tables;
#if defined(__aarch64__)
    tables.push_back(&neon::kernels);
#else
    tables.push_back(&baseline::kernels);
#endif
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) tables.push_back(&avx2::kernels);
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512cd"))
        tables.push_back(&avx512::kernels);
#endif
    return tables;
}

std::atomic<const Kernels*>& selected() {
    static std::atomic<const Kernels*> table = supported().back();
    return table;
}

}  // namespace

std::vector<std::string> supportedIsas() {
    std::vector<std::string> names;
    for (const Kernels* table : supported()) names.emplace_back(table->isa);
    return names;
}

bool selectIsa(std::string_view name) {
    for (const Kernels* table : supported())
        if (name == table->isa) {
            selected().store(table, std::memory_order_relaxed);
            return true;
        }
    return false;
}

const Kernels& kernels() { return *selected().load(std::memory_order_relaxed); }

}  // namespace fastsde
