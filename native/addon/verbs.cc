#include "verbs.h"

#include <array>
#include <chrono>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include "../cuda/operations.h"
#include "arguments.h"
#include "command.h"

namespace fastsde::addon {

void affine(const Napi::CallbackInfo& info) {
    const std::vector<Napi::Value> list = elements(info[2], "operands");
    Command command(info[0]);
    const Array out = command.state(info[1], "out");
    const std::size_t count = list.size();
    if (count < 1 || count > maxOperands)
        throw std::length_error("there must be 1 to " + std::to_string(maxOperands) + " operands");
    std::array<Array, maxOperands> operands;
    for (std::size_t j = 0; j < count; ++j) {
        operands[j] = command.state(list[j], "operand");
        if (operands[j].isDouble && !out.isDouble)
            throw Napi::TypeError::New(info.Env(), "a Float32Array result takes Float32Array operands");
        requireLength(operands[j].size, out.size, "operand");
    }
    const std::span coefficients = command.table(info[3], "coefficients");
    requireLength(coefficients.size() % (count + 1), 0, "rest of coefficients");
    const Shape shape = shapeOf(out.size, coefficients.size() / (count + 1));
    const std::optional<Array> mean = command.optionalStateLike(info[4], "mean", out);
    std::optional<Noise> z;
    if (!info[5].IsUndefined()) z = command.noise(info[5], info[6], shape);
    command.run([=] { fastsde::affine(shape, out, {operands.data(), count}, coefficients, z, mean); },
                [=](cuda::Stream& stream) {
                    cuda::affine(stream, shape, out, {operands.data(), count}, coefficients, z, mean);
                });
}

void langevin(const Napi::CallbackInfo& info) {
    Command command(info[0]);
    const Array x = command.state(info[1], "x"), output = command.state(info[2], "output");
    requireLength(output.size, x.size, "output");
    if (output.isDouble && !x.isDouble)
        throw Napi::TypeError::New(info.Env(), "a Float32Array state takes a Float32Array output");
    const std::span coefficients = command.table(info[3], "coefficients");
    requireLength(coefficients.size() % 3, 0, "rest of coefficients");
    const Shape shape = shapeOf(x.size, coefficients.size() / 3);
    const double norm = number(info[4], "norm");
    if (norm != 0 && norm != 1 && norm != 2)
        throw Napi::RangeError::New(info.Env(), "norm must be 0, 1 or 2");
    const Noise z = command.noise(info[5], info[6], shape);
    const std::optional<Array> mean = command.optionalStateLike(info[7], "mean", x);
    std::span<double> steps;
    if (!info[8].IsUndefined()) {
        steps = command.doubles(info[8], "steps");
        requireLength(steps.size(), shape.count, "steps");
    }
    const Langevin arguments{x, output, coefficients, static_cast<NormMode>(norm), z, mean, steps};
    command.run([=] { fastsde::langevin(shape, arguments); },
                [=](cuda::Stream& stream) { cuda::langevin(stream, shape, arguments); });
}

void dots(const Napi::CallbackInfo& info) {
    Command command(info[0]);
    const Array a = command.state(info[1], "a"), b = command.state(info[2], "b");
    requireLength(b.size, a.size, "b");
    const std::span out = command.doubles(info[3], "out");
    const Shape shape = shapeOf(a.size, out.size());
    command.run([=] { fastsde::dots(shape, a, b, out); },
                [=](cuda::Stream& stream) { cuda::dots(stream, shape, a, b, out); });
}

/** Fails at the first of `samples` samples that is not finite. */
void requireFinite(const Napi::CallbackInfo& info) {
    Command command(info[0]);
    const Array x = command.state(info[1], "x");
    const Shape shape = shapeOf(x.size, count(info[2], "samples", x.size));
    const double tag = number(info[3], "tag");
    command.run(
        [=] {
            std::vector<double> norms(shape.count);
            fastsde::dots(shape, x, x, norms);
            for (std::size_t b = 0; b < shape.count; ++b)
                if (!std::isfinite(norms[b]))
                    throw CommandError("sample " + std::to_string(b) + " is not finite", b);
        },
        [=](cuda::Stream& stream) { cuda::requireFinite(stream, shape, x, tag); }, tag);
}

void addNoise(const Napi::CallbackInfo& info) {
    Command command(info[0]);
    const Array x = command.state(info[1], "x");
    const std::span v = command.floats(info[2], "v");
    requireLength(v.size(), x.size, "v");
    const std::span coefficients = command.table(info[3], "coefficients");
    requireLength(coefficients.size() % 2, 0, "rest of coefficients");
    const Shape shape = shapeOf(x.size, coefficients.size() / 2);
    const Noise z = command.noise(info[4], info[5], shape);
    command.run([=] { fastsde::addNoise(shape, x, v.data(), coefficients, z); },
                [=](cuda::Stream& stream) { cuda::addNoise(stream, shape, x, v.data(), coefficients, z); });
}

void clip(const Napi::CallbackInfo& info) {
    Command command(info[0]);
    const Array x = command.state(info[1], "x");
    const double low = number(info[2], "low"), high = number(info[3], "high");
    if (!(low <= high)) throw Napi::RangeError::New(info.Env(), "low must not be above high");
    command.run([=] { fastsde::clip(x, low, high); },
                [=](cuda::Stream& stream) { cuda::clip(stream, x, low, high); });
}

void threshold(const Napi::CallbackInfo& info) {
    Command command(info[0]);
    const Array x = command.state(info[1], "x");
    const Shape shape = shapeOf(x.size, count(info[2], "samples", x.size));
    const double low = number(info[3], "low"), high = number(info[4], "high");
    if (!(low < high) || !std::isfinite(high - low))
        throw Napi::RangeError::New(info.Env(), "low must be below high, and both finite");
    const double quantile = number(info[5], "quantile");
    if (!(quantile >= 0 && quantile <= 1))
        throw Napi::RangeError::New(info.Env(), "quantile must be from 0 to 1");
    command.run([=] { fastsde::threshold(shape, x, low, high, quantile); },
                [=](cuda::Stream& stream) { cuda::threshold(stream, shape, x, low, high, quantile); });
}

/** For whoever reads an array then: its values come to where it has its address, if they are not there. */
void download(const Napi::CallbackInfo& info) {
    Command command(info[0]);
    const std::span x = command.rawBytes(info[1], "x");
    command.run([] {}, [=](cuda::Stream& stream) { stream.download(x.data(), x.size()); });
}

/** Puts values of the caller's, of any element type, into an array of that type. */
void write(const Napi::CallbackInfo& info) {
    Command command(info[0]);
    const std::span out = command.rawBytes(info[1], "out");
    const std::span values = addon::rawBytes(info[2], "values");
    if (info[1].As<Napi::TypedArray>().TypedArrayType() != info[2].As<Napi::TypedArray>().TypedArrayType())
        throw Napi::TypeError::New(info.Env(), "values have another element type than out");
    requireLength(values.size(), out.size(), "values");
    const std::span kept = command.keep(std::vector<std::byte>(values.begin(), values.end()));
    command.run(
        [=] {
            if (!out.empty()) std::memcpy(out.data(), kept.data(), out.size());
        },
        [=](cuda::Stream& stream) { stream.write(out.data(), kept); });
}

/** Between single, double and half precision, the last as Uint16Array and only to and from single. */
void copy(const Napi::CallbackInfo& info) {
    Command command(info[0]);
    const auto isHalf = [](const Napi::Value& value) {
        return value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == napi_uint16_array;
    };
    if (isHalf(info[1])) {
        const std::span out = command.halves(info[1], "out");
        const std::span x = command.floats(info[2], "x");
        requireLength(x.size(), out.size(), "x");
        command.run([=] { fastsde::toHalf(x, out.data()); },
                    [=](cuda::Stream& stream) { cuda::toHalf(stream, x, out.data()); });
    } else if (isHalf(info[2])) {
        const std::span out = command.floats(info[1], "out");
        const std::span x = command.halves(info[2], "x");
        requireLength(x.size(), out.size(), "x");
        command.run([=] { fastsde::fromHalf(x, out.data()); },
                    [=](cuda::Stream& stream) { cuda::fromHalf(stream, x, out.data()); });
    } else {
        const Array out = command.state(info[1], "out"), x = command.state(info[2], "x");
        requireLength(x.size, out.size, "x");
        command.run([=] { fastsde::copy(out, x); },
                    [=](cuda::Stream& stream) { cuda::copy(stream, out, x); });
    }
}

void scale(const Napi::CallbackInfo& info) {
    Command command(info[0]);
    const std::span x = command.floats(info[1], "x");
    const std::span factors = command.table(info[2], "factors");
    const Shape shape = shapeOf(x.size(), factors.size());
    command.run([=] { fastsde::scale(shape, x.data(), factors); },
                [=](cuda::Stream& stream) { cuda::scale(stream, shape, x.data(), factors); });
}

void traceRates(const Napi::CallbackInfo& info) {
    Command command(info[0]);
    const std::span x = command.doubles(info[1], "x");
    const double count = number(info[2], "count");
    const std::span coefficients = command.table(info[3], "coefficients");
    requireLength(coefficients.size() % 3, 0, "rest of coefficients");
    const Shape shape = shapeOf(x.size(), coefficients.size() / 3);
    command.run([=] { fastsde::traceRates(shape, x.data(), count, coefficients); },
                [=](cuda::Stream& stream) { cuda::traceRates(stream, shape, x.data(), count, coefficients); });
}

namespace {

/** Two arrays of one element type, of which the list of rows gives places in one. */
std::pair<Array, Array> likeStates(const Command& command, const Napi::CallbackInfo& info) {
    const Array out = command.state(info[1], "out"), x = command.state(info[2], "x");
    if (x.isDouble != out.isDouble)
        throw Napi::TypeError::New(info.Env(), "x has another element type than out");
    return {out, x};
}

/** Elements of a sample in an array that has one for every row of a list. */
Shape shapeOfRows(std::size_t elements, const Napi::Value& rows) {
    return shapeOf(elements, integers(rows, "rows").size());
}

}  // namespace

void gather(const Napi::CallbackInfo& info) {
    Command command(info[0]);
    const auto [out, x] = likeStates(command, info);
    const Shape shape = shapeOfRows(out.size, info[3]);
    requireLength(x.size % shape.size, 0, "rest of x");
    const std::span rows = command.rows(info[3], "rows", x.size / shape.size);
    command.run([=, out = out, x = x] { fastsde::gather(shape, out, x, rows); },
                [=, out = out, x = x](cuda::Stream& stream) { cuda::gather(stream, shape, out, x, rows); });
}

void scatter(const Napi::CallbackInfo& info) {
    Command command(info[0]);
    const auto [out, x] = likeStates(command, info);
    const Shape shape = shapeOfRows(x.size, info[3]);
    requireLength(out.size % shape.size, 0, "rest of out");
    const std::span rows = command.rows(info[3], "rows", out.size / shape.size);
    command.run([=, out = out, x = x] { fastsde::scatter(shape, out, x, rows); },
                [=, out = out, x = x](cuda::Stream& stream) { cuda::scatter(stream, shape, out, x, rows); });
}

/** Scale: 0 the sum of the tolerances, 1 the larger. Norm: 0 the mean, 1 the largest. */
void scaledErrors(const Napi::CallbackInfo& info) {
    Command command(info[0]);
    const std::span error = command.doubles(info[1], "error"), before = command.doubles(info[2], "before"),
                    after = command.doubles(info[3], "after"), out = command.doubles(info[6], "out");
    requireLength(before.size(), error.size(), "before");
    requireLength(after.size(), error.size(), "after");
    const Shape shape = shapeOf(error.size(), out.size());
    const double scale = number(info[7], "scale"), norm = number(info[8], "norm");
    if ((scale != 0 && scale != 1) || (norm != 0 && norm != 1))
        throw Napi::RangeError::New(info.Env(), "scale and norm must be 0 or 1");
    const ErrorMeasure measure{number(info[4], "atol"), number(info[5], "rtol"), scale == 1, norm == 1};
    command.run([=] { fastsde::scaledErrors(shape, error.data(), before.data(), after.data(), measure, out); },
                [=](cuda::Stream& stream) {
                    cuda::scaledErrors(stream, shape, error.data(), before.data(), after.data(), measure, out);
                });
}

void matchSpread(const Napi::CallbackInfo& info) {
    Command command(info[0]);
    const Array x = command.state(info[1], "x"), reference = command.stateLike(info[2], "reference", x);
    const std::span shares = command.table(info[3], "shares");
    const Shape shape = shapeOf(x.size, shares.size());
    command.run([=] { fastsde::matchSpread(shape, x, reference, shares); },
                [=](cuda::Stream& stream) { cuda::matchSpread(stream, shape, x, reference, shares); });
}

/** Distribution: 0 normal, 1 uniform, 2 Rademacher. */
void fill(const Napi::CallbackInfo& info) {
    Command command(info[0]);
    const Array out = command.state(info[1], "out");
    const Shape shape = shapeOf(out.size, count(info[2], "batch", out.size));
    const double distribution = number(info[3], "distribution");
    if (distribution != 0 && distribution != 1 && distribution != 2)
        throw Napi::RangeError::New(info.Env(), "distribution must be 0, 1 or 2");
    const Noise z = command.noise(info[4], info[5], shape);
    const auto kind = static_cast<Distribution>(distribution);
    command.run([=] { fastsde::fill(shape, out, kind, z); },
                [=](cuda::Stream& stream) { cuda::fill(stream, shape, out, kind, z); });
}

void projectMeasurement(const Napi::CallbackInfo& info) {
    Command command(info[0]);
    const std::span x = command.floats(info[1], "x"), y = command.floats(info[2], "y"), mask = command.floats(info[3], "mask");
    const std::span coefficients = command.table(info[4], "coefficients");
    requireLength(coefficients.size() % 2, 0, "rest of coefficients");
    const Shape shape = shapeOf(x.size(), coefficients.size() / 2);
    requireLength(y.size(), x.size(), "y");
    requireLength(mask.size(), shape.size, "mask");
    std::span<float> basis;
    std::size_t channels = 1;
    if (!info[7].IsUndefined()) {
        basis = command.floats(info[7], "basis");
        channels = static_cast<std::size_t>(std::lround(std::sqrt(static_cast<double>(basis.size()))));
        if (channels == 0 || channels > maxChannels || channels * channels != basis.size() ||
            shape.size % channels != 0)
            throw std::length_error("basis must be square, of at most " + std::to_string(maxChannels) +
                                    " channels, whose number divides the sample");
    }
    const Noise z = command.noise(info[5], info[6], shape);
    command.run(
        [=] { fastsde::projectMeasurement(shape, x.data(), y.data(), mask.data(), coefficients, z, basis, channels); },
        [=](cuda::Stream& stream) {
            cuda::projectMeasurement(stream, shape, x.data(), y.data(), mask.data(), coefficients, z, basis, channels);
        });
}

void toBytes(const Napi::CallbackInfo& info) {
    const std::span x = floats(info[0], "x");
    const std::span out = bytes(info[3], "out");
    requireLength(out.size(), x.size(), "out");
    fastsde::toBytes(x, number(info[1], "low"), number(info[2], "high"), out.data());
}

void fromBytes(const Napi::CallbackInfo& info) {
    const std::span in = bytes(info[0], "bytes");
    const std::span out = floats(info[3], "out");
    requireLength(out.size(), in.size(), "out");
    fastsde::fromBytes(in, number(info[1], "low"), number(info[2], "high"), out.data());
}

/** Milliseconds of a clock that only runs on. */
void stamp(const Napi::CallbackInfo& info) {
    Command command(info[0]);
    const std::span out = command.doubles(info[1], "out");
    requireLength(out.size(), 1, "out");
    const auto note = [=] {
        const auto now = std::chrono::steady_clock::now().time_since_epoch();
        out[0] = std::chrono::duration<double, std::milli>(now).count();
    };
    // Of a GPU, when that has come so far and nothing has failed; on the host, where it is read.
    command.run(note, [=](cuda::Stream& stream) {
        stream.finish();
        note();
    });
}

}  // namespace fastsde::addon
