#include "../isa.h"
#include "operations.h"

namespace fastsde {

void clip(const Array& x, double low, double high) {
    const Kernels& k = kernels();
    parallelRange(x.size, streamNanoseconds, [&](std::size_t begin, std::size_t end) {
        if (x.isDouble)
            k.clipDouble(x.as<double>() + begin, low, high, end - begin);
        else
            k.clip(x.as<float>() + begin, static_cast<float>(low), static_cast<float>(high), end - begin);
    });
}

}  // namespace fastsde
