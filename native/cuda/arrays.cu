// Samples copied by their numbers, precisions converted, samples scaled.
#include "../half.h"
#include "kernel.h"

namespace fastsde::cuda {
namespace {

template <typename Word>
FASTSDE_DEVICE void copyWord(const RowsParameters& p) {
    const size_t i = threadNumber();
    if (i >= p.count * p.words) return;
    const size_t row = i / p.words, word = i % p.words;
    const size_t to = p.to != nullptr ? p.to[row] : row, from = p.from != nullptr ? p.from[row] : row;
    static_cast<Word*>(p.out)[to * p.words + word] = static_cast<const Word*>(p.x)[from * p.words + word];
}

template <typename To, typename From, typename Convert>
FASTSDE_DEVICE void convertElement(const ConvertParameters& p, const Convert& convert) {
    const size_t i = threadNumber();
    if (i < p.count) static_cast<To*>(p.out)[i] = convert(static_cast<const From*>(p.x)[i]);
}

}  // namespace

FASTSDE_KERNEL(rows_vector, RowsParameters) { copyWord<Quad>(p); }
FASTSDE_KERNEL(rows_scalar, RowsParameters) { copyWord<uint32_t>(p); }

FASTSDE_KERNEL(widen, ConvertParameters) {
    convertElement<double, float>(p, [](float x) { return static_cast<double>(x); });
}
FASTSDE_KERNEL(narrow, ConvertParameters) {
    convertElement<float, double>(p, [](double x) { return static_cast<float>(x); });
}
FASTSDE_KERNEL(to_half, ConvertParameters) {
    convertElement<uint16_t, float>(p, [](float x) { return halfOf(x); });
}
FASTSDE_KERNEL(from_half, ConvertParameters) {
    convertElement<float, uint16_t>(p, [](uint16_t x) { return floatOfHalf(x); });
}

FASTSDE_KERNEL(scale, ScaleParameters) {
    const size_t i = threadNumber();
    if (i >= p.extent.count * p.extent.size) return;
    const double factor = coefficient(p.rows, i / p.extent.size, 1, 0);
    p.x[i] = static_cast<float>(multiply(factor, static_cast<double>(p.x[i])));
}

FASTSDE_KERNEL(trace_rates, TraceRatesParameters) {
    const size_t i = threadNumber();
    if (i >= p.extent.count * p.extent.size) return;
    const size_t b = i / p.extent.size;
    const double product = multiply(coefficient(p.rows, b, 3, 2), p.x[i]) / p.count;
    p.x[i] = multiply(coefficient(p.rows, b, 3, 0), add(coefficient(p.rows, b, 3, 1), product));
}

}  // namespace fastsde::cuda
