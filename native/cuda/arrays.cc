// Sums over samples, and what is done to arrays without noise.
#include <cmath>

#include "arguments.h"

namespace fastsde::cuda {
namespace {

/** Dot products of samples at places on the GPU. */
void dotsOn(Stream& stream, const Shape& shape, const Array& a, const Array& b, double* out) {
    const std::size_t blocks = shape.blocks(), parts = shape.count * blocks;
    double* const partial = blocks == 1 ? out : stream.scratch<double>(parts);
    const bool swapped = !a.isDouble && b.isDouble;
    const Array &first = swapped ? b : a, &second = swapped ? a : b;
    const DotsParameters p{extentOf(shape), blocks, stream.on(first.data), stream.on(second.data), partial};
    const char* const kernel = !first.isDouble ? "dots_single" : second.isDouble ? "dots_double" : "dots_mixed";
    stream.launch(kernel, p, parts * warpThreads);
    if (blocks > 1) stream.launch("totals", TotalsParameters{shape.count, blocks, partial, out}, shape.count);
}

/** Rows as 16-byte words where they can be, else as words of 4. */
void copyRows(Stream& stream, const Shape& shape, const Array& out, const Array& x, std::span<const std::size_t> to,
              std::span<const std::size_t> from) {
    static_assert(sizeof(std::size_t) == sizeof(std::uint64_t));
    const auto list = [&](std::span<const std::size_t> rows) {
        return rows.empty() ? nullptr : reinterpret_cast<const std::uint64_t*>(stream.table(rows));
    };
    const std::size_t bytes = shape.size * (x.isDouble ? sizeof(double) : sizeof(float));
    RowsParameters p{shape.count, 0, stream.on(out.data), stream.on(x.data), list(to), list(from)};
    const auto places = reinterpret_cast<std::uintptr_t>(p.out) | reinterpret_cast<std::uintptr_t>(p.x);
    const bool inQuads = (bytes | places) % sizeof(float[4]) == 0;
    p.words = bytes / (inQuads ? sizeof(float[4]) : sizeof(float));
    stream.launch(inQuads ? "rows_vector" : "rows_scalar", p, p.count * p.words);
}

}  // namespace

void dots(Stream& stream, const Shape& shape, const Array& a, const Array& b, std::span<double> out) {
    dotsOn(stream, shape, a, b, stream.on(out.data()));
}

void requireFinite(Stream& stream, const Shape& shape, const Array& x, double tag) {
    double* const norms = stream.scratch<double>(shape.count);
    dotsOn(stream, shape, x, x, norms);
    stream.launch("require_finite", FiniteParameters{shape.count, norms, tag, stream.record()}, 1, 1, blockThreads);
}

void sumOfSquares(Stream& stream, std::span<const std::span<const float>> tensors, double* out) {
    std::size_t parts = 0;
    for (const auto& tensor : tensors) parts += Shape{1, tensor.size()}.blocks();
    double* const partial = stream.scratch<double>(std::max<std::size_t>(parts, 1));
    std::size_t done = 0;
    for (const auto& tensor : tensors) {
        if (tensor.empty()) continue;
        const Shape shape{1, tensor.size()};
        const float* const x = stream.on(tensor.data());
        const DotsParameters p{extentOf(shape), shape.blocks(), x, x, partial + done};
        stream.launch("dots_single", p, shape.blocks() * warpThreads);
        done += shape.blocks();
    }
    stream.launch("totals", TotalsParameters{1, parts, partial, stream.on(out)}, 1);
}

void clip(Stream& stream, const Array& x, double low, double high) {
    stream.launch(x.isDouble ? "clip_double" : "clip_single", ClipParameters{x.size, stream.on(x.data), low, high}, x.size);
}

void threshold(Stream& stream, const Shape& shape, const Array& x, double low, double high, double quantile) {
    const double place = quantile * static_cast<double>(shape.size - 1), below = std::floor(place);
    const ThresholdParameters p{extentOf(shape),  stream.on(x.data), (low + high) / 2,
                                (high - low) / 2, static_cast<std::uint64_t>(below), place - below};
    stream.launch(x.isDouble ? "threshold_double" : "threshold_single", p, shape.count, 1, blockThreads);
}

void gather(Stream& stream, const Shape& shape, const Array& out, const Array& x, std::span<const std::size_t> rows) {
    copyRows(stream, shape, out, x, {}, rows);
}

void scatter(Stream& stream, const Shape& shape, const Array& out, const Array& x, std::span<const std::size_t> rows) {
    copyRows(stream, shape, out, x, rows, {});
}

void copy(Stream& stream, const Array& out, const Array& x) {
    if (out.isDouble == x.isDouble)
        return stream.copy(out.data, x.data, x.size * (x.isDouble ? sizeof(double) : sizeof(float)));
    const ConvertParameters p{out.size, stream.on(out.data), stream.on(x.data)};
    stream.launch(out.isDouble ? "widen" : "narrow", p, out.size);
}

void toHalf(Stream& stream, std::span<const float> x, std::uint16_t* out) {
    stream.launch("to_half", ConvertParameters{x.size(), stream.on(out), stream.on(x.data())}, x.size());
}

void fromHalf(Stream& stream, std::span<const std::uint16_t> halves, float* out) {
    const ConvertParameters p{halves.size(), stream.on(out), stream.on(halves.data())};
    stream.launch("from_half", p, halves.size());
}

void scale(Stream& stream, const Shape& shape, float* x, std::span<const double> factors) {
    const ScaleParameters p{extentOf(shape), stream.on(x), rowsOf(stream, factors, 1)};
    stream.launch("scale", p, shape.elements());
}

void traceRates(Stream& stream, const Shape& shape, double* x, double count, std::span<const double> coefficients) {
    const TraceRatesParameters p{extentOf(shape), stream.on(x), count, rowsOf(stream, coefficients, 3)};
    stream.launch("trace_rates", p, shape.elements());
}

void scaledErrors(Stream& stream, const Shape& shape, const double* error, const double* before, const double* after,
                  const ErrorMeasure& measure, std::span<double> out) {
    const ErrorsParameters p{extentOf(shape),  stream.on(error), stream.on(before),
                             stream.on(after), measure,          stream.on(out.data())};
    stream.launch("scaled_errors", p, shape.count, 1, blockThreads);
}

void matchSpread(Stream& stream, const Shape& shape, const Array& x, const Array& reference, std::span<const double> shares) {
    const SpreadParameters p{extentOf(shape), stream.on(x.data), stream.on(reference.data), rowsOf(stream, shares, 1)};
    stream.launch(x.isDouble ? "match_spread_double" : "match_spread_single", p, shape.count, 1, blockThreads);
}

}  // namespace fastsde::cuda
