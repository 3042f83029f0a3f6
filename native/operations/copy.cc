#include <cstring>

#include "operations.h"

namespace fastsde {
namespace {

template <typename To, typename From>
void convert(To* out, const From* x, std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) out[i] = static_cast<To>(x[i]);
}

}  // namespace

void copy(const Array& out, const Array& x) {
    parallelRange(out.size, streamNanoseconds, [&](std::size_t begin, std::size_t end) {
        const std::size_t n = end - begin;
        if (out.isDouble && x.isDouble)
            std::memmove(out.as<double>() + begin, x.as<const double>() + begin, n * sizeof(double));
        else if (out.isDouble)
            convert(out.as<double>() + begin, x.as<const float>() + begin, n);
        else if (x.isDouble)
            convert(out.as<float>() + begin, x.as<const double>() + begin, n);
        else
            std::memmove(out.as<float>() + begin, x.as<const float>() + begin, n * sizeof(float));
    });
}

void scale(const Shape& shape, float* x, std::span<const double> factors) {
    const std::size_t perTile = std::max<std::size_t>(1, tileSize / shape.size);
    const double cost = streamNanoseconds * static_cast<double>(shape.elements());
    parallelTiles((shape.count + perTile - 1) / perTile, cost, [&](std::size_t tile) {
        const std::size_t end = std::min((tile + 1) * perTile, shape.count);
        for (std::size_t b = tile * perTile; b < end; ++b) {
            float* const row = x + b * shape.size;
            const double factor = factors[b];
            for (std::size_t i = 0; i < shape.size; ++i)
                row[i] = static_cast<float>(factor * static_cast<double>(row[i]));
        }
    });
}

void traceRates(const Shape& shape, double* x, double count, std::span<const double> coefficients) {
    for (std::size_t b = 0; b < shape.count; ++b)
        for (std::size_t i = b * shape.size; i < (b + 1) * shape.size; ++i)
            x[i] = coefficients[3 * b] * (coefficients[3 * b + 1] + coefficients[3 * b + 2] * x[i] / count);
}

}  // namespace fastsde
