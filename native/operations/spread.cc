#include <cmath>

#include "operations.h"

namespace fastsde {
namespace {

/** Sum of squared distances from the mean, in double and in the order of the elements. */
template <typename T>
double squaredDistances(const T* x, std::size_t n) {
    double sum = 0;
    for (std::size_t i = 0; i < n; ++i) sum += static_cast<double>(x[i]);
    const double mean = sum / static_cast<double>(n);
    double squares = 0;
    for (std::size_t i = 0; i < n; ++i) {
        const double distance = static_cast<double>(x[i]) - mean;
        squares += distance * distance;
    }
    return squares;
}

template <typename T>
void matchSample(T* x, const T* reference, double share, std::size_t n) {
    const double own = squaredDistances(x, n);
    if (own == 0) return;
    const double factor = 1 + share * (std::sqrt(squaredDistances(reference, n) / own) - 1);
    for (std::size_t i = 0; i < n; ++i) x[i] = static_cast<T>(factor * static_cast<double>(x[i]));
}

}  // namespace

void matchSpread(const Shape& shape, const Array& x, const Array& reference, std::span<const double> shares) {
    // Four sums of which each term waits for the one before.
    const double cost = 4 * sumNanoseconds * static_cast<double>(shape.elements());
    parallelTiles(shape.count, cost, [&](std::size_t b) {
        const std::size_t first = b * shape.size;
        if (x.isDouble)
            matchSample(x.as<double>() + first, reference.as<const double>() + first, shares[b], shape.size);
        else
            matchSample(x.as<float>() + first, reference.as<const float>() + first, shares[b], shape.size);
    });
}

}  // namespace fastsde
