// exp, ln and the length of a vector in double, of the same bits on every machine, where those of the C library may differ. Plain
// operations alone; each within 1 or 2 units in the last place.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <limits>

namespace fastsde {

inline constexpr double ln2High = 0x1.62e42fee00000p-1, ln2Low = 0x1.a39ef35793c76p-33;  // their sum is ln 2

/** 2^k x for results that are normal numbers. */
inline double scaledBy(double x, std::int64_t k) {
    return x * std::bit_cast<double>(static_cast<std::uint64_t>(k + 1023) << 52);
}

/** e^x: 2^k e^r with |r| <= ln 2 / 2 and the series of e^r to r^14. */
inline double exponential(double x) {
    if (!(x <= 709.78)) return x > 0 ? std::numeric_limits<double>::infinity() : x;
    if (x < -745.14) return 0;
    const double k = std::nearbyint(x * 0x1.71547652b82fep+0);
    const double high = x - k * ln2High, low = k * ln2Low;
    const double r = high - low;
    // From the smallest term on: r^2 / 2 (1 + r / 3 (1 + r / 4 (...))).
    double sum = 0;
    for (const double inverse : {1. / 14, 1. / 13, 1. / 12, 1. / 11, 1. / 10, 1. / 9, 1. / 8, 1. / 7, 1. / 6, 1. / 5, 1. / 4, 1. / 3})
        sum = (1 + sum) * (r * inverse);
    const double tail = (1 + sum) * (r * r / 2);
    const double whole = 1 + (high + (tail - low));
    const auto power = static_cast<std::int64_t>(k);
    if (power >= -1022) return scaledBy(whole / 2, power + 1);
    return scaledBy(scaledBy(whole, power + 100), -100);  // rounded once more where it is subnormal
}

/** ln x: with x = 2^k m, m between sqrt(1/2) and sqrt(2), ln m = 2 artanh(s), s = (m - 1) / (m + 1). */
inline double logarithm(double x) {
    if (!(x > 0)) return x == 0 ? -std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
    if (!(x <= std::numeric_limits<double>::max())) return x;
    int exponent = 0;
    double m = std::frexp(x, &exponent);
    if (m < 0x1.6a09e667f3bcdp-1) {
        m *= 2;
        --exponent;
    }
    const double f = m - 1, s = f / (2 + f), z = s * s;
    double sum = 0;
    for (const double inverse : {1. / 21, 1. / 19, 1. / 17, 1. / 15, 1. / 13, 1. / 11, 1. / 9, 1. / 7, 1. / 5, 1. / 3})
        sum = (sum + inverse) * z;
    // ln m = f - f^2 / 2 + s (f^2 / 2 + 2 sum), in which the large part is exact.
    const double half = f * f / 2, k = exponent;
    return k * ln2High - ((half - (s * (half + 2 * sum) + k * ln2Low)) - f);
}

/** sqrt(a^2 + b^2), which does not overflow where the result does not. */
inline double length(double a, double b) {
    const double most = std::max(std::abs(a), std::abs(b)), least = std::min(std::abs(a), std::abs(b));
    if (most == 0) return most;
    const double ratio = least / most;
    return most * std::sqrt(1 + ratio * ratio);
}

}  // namespace fastsde
