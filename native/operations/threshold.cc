#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "operations.h"

namespace fastsde {
namespace {

/** The quantile of values, in any order, with linear interpolation; reorders them. */
template <typename T>
T quantileOf(std::vector<T>& values, double quantile) {
    const double place = quantile * static_cast<double>(values.size() - 1);
    const auto below = values.begin() + static_cast<std::ptrdiff_t>(place);
    std::nth_element(values.begin(), below, values.end());
    const T share = static_cast<T>(place - std::floor(place));
    if (share == 0) return *below;
    return *below + share * (*std::min_element(below + 1, values.end()) - *below);
}

template <typename T>
void thresholdSample(std::span<T> x, T middle, T half, double quantile) {
    std::vector<T> distances(x.size());
    for (std::size_t e = 0; e < x.size(); ++e) {
        const T distance = std::abs(x[e] - middle);
        // NaN cannot be put in order.
        distances[e] = std::isnan(distance) ? std::numeric_limits<T>::infinity() : distance;
    }
    const T bound = quantileOf(distances, quantile);
    const T scale = bound > half ? half / bound : T{1};
    for (T& value : x) {
        const T offset = (value - middle) * scale;
        value = middle + (offset < -half ? -half : offset > half ? half : offset);
    }
}

template <typename T>
void thresholdSamples(const Shape& shape, T* x, double low, double high, double quantile) {
    const T middle = static_cast<T>((low + high) / 2), half = static_cast<T>((high - low) / 2);
    // Selection takes some 5 ns an element.
    parallelTiles(shape.count, 5.0 * static_cast<double>(shape.elements()), [&](std::size_t b) {
        thresholdSample(std::span(x + b * shape.size, shape.size), middle, half, quantile);
    });
}

}  // namespace

void threshold(const Shape& shape, const Array& x, double low, double high, double quantile) {
    if (x.isDouble)
        thresholdSamples(shape, x.as<double>(), low, high, quantile);
    else
        thresholdSamples(shape, x.as<float>(), low, high, quantile);
}

}  // namespace fastsde
