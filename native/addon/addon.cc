// The Node-API binding: functions that take typed arrays which the caller owns and work in place,
// synchronously.
#include <napi.h>

#include <array>
#include <atomic>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "../isa.h"
#include "arguments.h"

namespace fastsde::addon {
namespace {

/** Turns a violated length into a RangeError, so that no C++ exception leaves the addon. */
template <void (*function)(const Napi::CallbackInfo&)>
void checked(const Napi::CallbackInfo& info) {
    try {
        function(info);
    } catch (const std::length_error& error) {
        throw Napi::RangeError::New(info.Env(), error.what());
    }
}

/** affine(out, operands, coefficients, mean?, address?, samples?) */
void affine(const Napi::CallbackInfo& info) {
    const std::vector<Napi::Value> list = typedArrays(info[1], "operands");
    const Array out = state(info[0], "out");
    const std::size_t count = list.size();
    if (count < 1 || count > maxOperands) throw std::length_error("there must be 1 to 8 operands");
    std::array<Array, maxOperands> operands;
    for (std::size_t j = 0; j < count; ++j) {
        operands[j] = state(list[j], "operand");
        if (operands[j].isDouble && !out.isDouble)
            throw Napi::TypeError::New(info.Env(), "a Float32Array result takes Float32Array operands");
        requireLength(operands[j].size, out.size, "operand");
    }
    const std::span coefficients = doubles(info[2], "coefficients");
    requireLength(coefficients.size() % (count + 1), 0, "rest of coefficients");
    const Shape shape = shapeOf(out.size, coefficients.size() / (count + 1));
    const std::optional<Array> mean = optionalStateLike(info[3], "mean", out);
    std::optional<Noise> z;
    if (!info[4].IsUndefined()) z = noise(info[4], info[5], shape);
    fastsde::affine(shape, out, {operands.data(), count}, coefficients, z, mean);
}

/** langevin(x, output, coefficients, norm: 0 | 1 | 2, address, samples, mean?, steps?) */
void langevin(const Napi::CallbackInfo& info) {
    const Array x = state(info[0], "x"), output = state(info[1], "output");
    requireLength(output.size, x.size, "output");
    if (output.isDouble && !x.isDouble)
        throw Napi::TypeError::New(info.Env(), "a Float32Array state takes a Float32Array output");
    const std::span coefficients = doubles(info[2], "coefficients");
    requireLength(coefficients.size() % 3, 0, "rest of coefficients");
    const Shape shape = shapeOf(x.size, coefficients.size() / 3);
    const double norm = number(info[3], "norm");
    if (norm != 0 && norm != 1 && norm != 2)
        throw Napi::RangeError::New(info.Env(), "norm must be 0, 1 or 2");
    const Noise z = noise(info[4], info[5], shape);
    const std::optional<Array> mean = optionalStateLike(info[6], "mean", x);
    std::span<double> steps;
    if (!info[7].IsUndefined()) {
        steps = doubles(info[7], "steps");
        requireLength(steps.size(), shape.count, "steps");
    }
    fastsde::langevin(shape, x, output, coefficients, static_cast<NormMode>(norm), z, mean, steps);
}

/** dots(a, b, out) */
void dots(const Napi::CallbackInfo& info) {
    const Array a = state(info[0], "a"), b = state(info[1], "b");
    requireLength(b.size, a.size, "b");
    const std::span out = doubles(info[2], "out");
    fastsde::dots(shapeOf(a.size, out.size()), a, b, out);
}

/** fill(out, batch, distribution: 0 normal | 1 uniform | 2 Rademacher, address, samples) */
void fill(const Napi::CallbackInfo& info) {
    const Array out = state(info[0], "out");
    const double batch = number(info[1], "batch"), distribution = number(info[2], "distribution");
    if (!(batch >= 1 && batch <= static_cast<double>(out.size)))
        throw std::length_error("batch must be 1 or more");
    if (distribution != 0 && distribution != 1 && distribution != 2)
        throw Napi::RangeError::New(info.Env(), "distribution must be 0, 1 or 2");
    const Shape shape = shapeOf(out.size, static_cast<std::size_t>(batch));
    fastsde::fill(shape, out, static_cast<Distribution>(distribution), noise(info[3], info[4], shape));
}

/** projectMeasurement(x, y, mask, coefficients, address, samples, basis?) */
void projectMeasurement(const Napi::CallbackInfo& info) {
    const std::span x = floats(info[0], "x"), y = floats(info[1], "y"), mask = floats(info[2], "mask");
    const std::span coefficients = doubles(info[3], "coefficients");
    requireLength(coefficients.size() % 2, 0, "rest of coefficients");
    const Shape shape = shapeOf(x.size(), coefficients.size() / 2);
    requireLength(y.size(), x.size(), "y");
    requireLength(mask.size(), shape.size, "mask");
    std::span<float> basis;
    std::size_t channels = 1;
    if (!info[6].IsUndefined()) {
        basis = floats(info[6], "basis");
        channels = static_cast<std::size_t>(std::lround(std::sqrt(static_cast<double>(basis.size()))));
        if (channels == 0 || channels > maxChannels || channels * channels != basis.size() ||
            shape.size % channels != 0)
            throw std::length_error(
                "basis must be square, at most 16 x 16, and its size must divide the sample");
    }
    fastsde::projectMeasurement(shape, x.data(), y.data(), mask.data(), coefficients,
                                noise(info[4], info[5], shape), basis, channels);
}

/** toBytes(x, low, high, out) */
void toBytes(const Napi::CallbackInfo& info) {
    const std::span x = floats(info[0], "x");
    const std::span out = bytes(info[3], "out");
    requireLength(out.size(), x.size(), "out");
    fastsde::toBytes(x, number(info[1], "low"), number(info[2], "high"), out.data());
}

/** fromBytes(bytes, low, high, out) */
void fromBytes(const Napi::CallbackInfo& info) {
    const std::span in = bytes(info[0], "bytes");
    const std::span out = floats(info[3], "out");
    requireLength(out.size(), in.size(), "out");
    fastsde::fromBytes(in, number(info[1], "low"), number(info[2], "high"), out.data());
}

/** diffuse(x, target?, x0: Float32Array | Uint8Array, low, high, flips?, width, coefficients, address,
 * samples) */
void diffuse(const Napi::CallbackInfo& info) {
    const std::span x = floats(info[0], "x");
    const std::span coefficients = doubles(info[7], "coefficients");
    requireLength(coefficients.size() % 4, 0, "rest of coefficients");
    const Shape shape = shapeOf(x.size(), coefficients.size() / 4);
    std::span<float> target;
    if (!info[1].IsUndefined()) {
        target = floats(info[1], "target");
        requireLength(target.size(), x.size(), "target");
    }
    const double low = number(info[3], "low"), high = number(info[4], "high");
    CleanData data{nullptr, nullptr, low, high, {}, 1};
    if (info[2].IsTypedArray() && info[2].As<Napi::TypedArray>().TypedArrayType() == napi_uint8_array) {
        const std::span x0 = bytes(info[2], "x0");
        requireLength(x0.size(), x.size(), "x0");
        data.bytes = x0.data();
    } else {
        const std::span x0 = floats(info[2], "x0");
        requireLength(x0.size(), x.size(), "x0");
        data.floats = x0.data();
    }
    if (!info[5].IsUndefined()) {
        const double width = number(info[6], "width");
        data.flips = bytes(info[5], "flips");
        requireLength(data.flips.size(), shape.count, "flips");
        if (!(width >= 1 && width <= static_cast<double>(shape.size)) ||
            shape.size % static_cast<std::size_t>(width) != 0)
            throw std::length_error("width must divide the sample");
        data.width = static_cast<std::size_t>(width);
    }
    fastsde::diffuse(shape, x.data(), target.empty() ? nullptr : target.data(), data, coefficients,
                     noise(info[8], info[9], shape));
}

/** adamw(parameters, gradients, m, v, averages: Float32Array[], decays: Float64Array, options:
 * Float64Array(7)) */
void adamw(const Napi::CallbackInfo& info) {
    const std::vector<Napi::Value> list = typedArrays(info[4], "averages");
    const std::span p = floats(info[0], "parameters");
    const std::span g = floats(info[1], "gradients"), m = floats(info[2], "m"), v = floats(info[3], "v");
    for (const std::size_t length : {g.size(), m.size(), v.size()}) requireLength(length, p.size(), "tensor");
    const std::span decays = doubles(info[5], "decays"), options = doubles(info[6], "options");
    requireLength(decays.size(), list.size(), "decays");
    requireLength(options.size(), 7, "options");
    std::vector<Average> averages;
    for (std::size_t i = 0; i < list.size(); ++i) {
        const std::span average = floats(list[i], "average");
        requireLength(average.size(), p.size(), "average");
        averages.push_back({average.data(), decays[i]});
    }
    const AdamW step{options[0], options[1], options[2], options[3], options[4], options[5], options[6]};
    fastsde::adamw(p, g.data(), m.data(), v.data(), step, averages);
}

/** sumOfSquares(tensors: Float32Array[]) */
Napi::Value sumOfSquares(const Napi::CallbackInfo& info) {
    std::vector<std::span<const float>> tensors;
    for (const Napi::Value& tensor : typedArrays(info[0], "tensors"))
        tensors.push_back(floats(tensor, "tensor"));
    return Napi::Number::New(info.Env(), fastsde::sumOfSquares(tensors));
}

/** info(): { isa, supported, threads } */
Napi::Value info(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const std::vector<std::string> names = supportedIsas();
    Napi::Array supported = Napi::Array::New(env, names.size());
    for (std::uint32_t i = 0; i < names.size(); ++i) supported[i] = names[i];
    Napi::Object result = Napi::Object::New(env);
    result["isa"] = kernels().isa;
    result["supported"] = supported;
    result["threads"] = static_cast<double>(threadCount());
    return result;
}

/** isFirstLoad(): true to the first caller in this process, whatever its JavaScript thread */
Napi::Value isFirstLoad(const Napi::CallbackInfo& info) {
    static std::atomic<bool> first = true;
    return Napi::Boolean::New(info.Env(), first.exchange(false));
}

/** selectIsa(name): whether this CPU and build have it */
Napi::Value selectIsa(const Napi::CallbackInfo& info) {
    if (!info[0].IsString()) throw Napi::TypeError::New(info.Env(), "the instruction set must be a string");
    return Napi::Boolean::New(info.Env(), fastsde::selectIsa(info[0].As<Napi::String>().Utf8Value()));
}

/** stayOnThisThread() */
void stayOnThisThread(const Napi::CallbackInfo&) { fastsde::stayOnThisThread(); }

/** setThreads(count) */
void setThreads(const Napi::CallbackInfo& info) {
    const double count = number(info[0], "threads");
    if (!(count >= 1 && count <= 1024)) throw Napi::RangeError::New(info.Env(), "threads must be 1 to 1024");
    setThreadCount(static_cast<std::size_t>(count));
}

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
    exports["affine"] = Napi::Function::New<checked<affine>>(env, "affine");
    exports["langevin"] = Napi::Function::New<checked<langevin>>(env, "langevin");
    exports["dots"] = Napi::Function::New<checked<dots>>(env, "dots");
    exports["fill"] = Napi::Function::New<checked<fill>>(env, "fill");
    exports["projectMeasurement"] =
        Napi::Function::New<checked<projectMeasurement>>(env, "projectMeasurement");
    exports["toBytes"] = Napi::Function::New<checked<toBytes>>(env, "toBytes");
    exports["fromBytes"] = Napi::Function::New<checked<fromBytes>>(env, "fromBytes");
    exports["diffuse"] = Napi::Function::New<checked<diffuse>>(env, "diffuse");
    exports["adamw"] = Napi::Function::New<checked<adamw>>(env, "adamw");
    exports["sumOfSquares"] = Napi::Function::New<sumOfSquares>(env, "sumOfSquares");
    exports["info"] = Napi::Function::New<info>(env, "info");
    exports["isFirstLoad"] = Napi::Function::New<isFirstLoad>(env, "isFirstLoad");
    exports["selectIsa"] = Napi::Function::New<selectIsa>(env, "selectIsa");
    exports["stayOnThisThread"] = Napi::Function::New<stayOnThisThread>(env, "stayOnThisThread");
    exports["setThreads"] = Napi::Function::New<setThreads>(env, "setThreads");
    return exports;
}

}  // namespace

NODE_API_MODULE(fastsde, initialize)

}  // namespace fastsde::addon
