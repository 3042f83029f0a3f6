// The Node-API binding: functions that take typed arrays which the caller owns and work in place,
// synchronously.
#include <napi.h>

#include <array>
#include <cmath>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "../isa.h"
#include "arguments.h"
#include "sessions.h"

namespace fastsde::addon {
namespace {

/**
 * The entry point of `function`, which takes `count` arguments. Turns a violated length (std::length_error)
 * into a RangeError; of any other C++ exception node-addon-api makes an Error.
 */
template <auto function, std::size_t count>
Napi::Value checked(const Napi::CallbackInfo& info) {
    if (info.Length() != count)
        throw Napi::TypeError::New(info.Env(), "expected " + std::to_string(count) + " arguments");
    try {
        if constexpr (std::is_void_v<decltype(function(info))>) {
            function(info);
            return info.Env().Undefined();
        } else {
            return function(info);
        }
    } catch (const std::length_error& error) {
        throw Napi::RangeError::New(info.Env(), error.what());
    }
}

/** Registers a function, and on it the names of its parameters: a test compares them with TypeScript's. */
template <auto function, std::size_t count>
void add(Napi::Object exports, const char* name, const char* const (&parameters)[count]) {
    const Napi::Env env = exports.Env();
    Napi::Function entry = Napi::Function::New<checked<function, count>>(env, name);
    Napi::Array names = Napi::Array::New(env, count);
    for (std::uint32_t i = 0; i < count; ++i) names[i] = parameters[i];
    entry["parameters"] = names;
    exports[name] = entry;
}

template <auto function>
void add(Napi::Object exports, const char* name) {
    Napi::Function entry = Napi::Function::New<checked<function, 0>>(exports.Env(), name);
    entry["parameters"] = Napi::Array::New(exports.Env());
    exports[name] = entry;
}

void affine(const Napi::CallbackInfo& info) {
    const std::vector<Napi::Value> list = typedArrays(info[1], "operands");
    const Array out = state(info[0], "out");
    const std::size_t count = list.size();
    if (count < 1 || count > maxOperands)
        throw std::length_error("there must be 1 to " + std::to_string(maxOperands) + " operands");
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
    fastsde::langevin(shape, {x, output, coefficients, static_cast<NormMode>(norm), z, mean, steps});
}

void dots(const Napi::CallbackInfo& info) {
    const Array a = state(info[0], "a"), b = state(info[1], "b");
    requireLength(b.size, a.size, "b");
    const std::span out = doubles(info[2], "out");
    fastsde::dots(shapeOf(a.size, out.size()), a, b, out);
}

void clip(const Napi::CallbackInfo& info) {
    const Array x = state(info[0], "x");
    const double low = number(info[1], "low"), high = number(info[2], "high");
    if (!(low <= high)) throw Napi::RangeError::New(info.Env(), "low must not be above high");
    fastsde::clip(x, low, high);
}

void gather(const Napi::CallbackInfo& info) {
    const Array out = state(info[0], "out"), x = state(info[1], "x");
    if (x.isDouble != out.isDouble)
        throw Napi::TypeError::New(info.Env(), "x has another element type than out");
    const std::span<const std::int32_t> list = integers(info[2], "rows");
    const Shape shape = shapeOf(out.size, list.size());
    requireLength(x.size % shape.size, 0, "rest of x");
    // Copied, since another thread could write in shared memory between the check and the use.
    std::vector<std::size_t> rows(list.begin(), list.end());
    for (const std::size_t row : rows)
        if (row >= x.size / shape.size) throw Napi::RangeError::New(info.Env(), "a row lies outside of x");
    fastsde::gather(shape, out, x, rows);
}

void scaledErrors(const Napi::CallbackInfo& info) {
    const std::span error = doubles(info[0], "error"), before = doubles(info[1], "before"),
                    after = doubles(info[2], "after"), out = doubles(info[5], "out");
    requireLength(before.size(), error.size(), "before");
    requireLength(after.size(), error.size(), "after");
    fastsde::scaledErrors(shapeOf(error.size(), out.size()), error.data(), before.data(), after.data(),
                          {number(info[3], "atol"), number(info[4], "rtol")}, out);
}

/** Distribution: 0 normal, 1 uniform, 2 Rademacher. */
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
            throw std::length_error("basis must be square, of at most " + std::to_string(maxChannels) +
                                    " channels, whose number divides the sample");
    }
    fastsde::projectMeasurement(shape, x.data(), y.data(), mask.data(), coefficients,
                                noise(info[4], info[5], shape), basis, channels);
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

/** Options: learning rate, beta1, beta2, epsilon, weight decay, gradient scale, step. */
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

Napi::Value sumOfSquares(const Napi::CallbackInfo& info) {
    std::vector<std::span<const float>> tensors;
    for (const Napi::Value& tensor : typedArrays(info[0], "tensors"))
        tensors.push_back(floats(tensor, "tensor"));
    return Napi::Number::New(info.Env(), fastsde::sumOfSquares(tensors));
}

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

/** True to the first caller with this event in this process, whatever its JavaScript thread. */
Napi::Value isFirst(const Napi::CallbackInfo& info) {
    if (!info[0].IsString()) throw Napi::TypeError::New(info.Env(), "the event must be a string");
    static std::mutex mutex;
    static std::set<std::string> seen;
    const std::string event = info[0].As<Napi::String>().Utf8Value();
    const std::lock_guard lock(mutex);
    return Napi::Boolean::New(info.Env(), seen.insert(event).second);
}

/** Whether this CPU and build have it. */
Napi::Value selectIsa(const Napi::CallbackInfo& info) {
    if (!info[0].IsString()) throw Napi::TypeError::New(info.Env(), "the instruction set must be a string");
    return Napi::Boolean::New(info.Env(), fastsde::selectIsa(info[0].As<Napi::String>().Utf8Value()));
}

void stayOnThisThread(const Napi::CallbackInfo&) { fastsde::stayOnThisThread(); }

void setThreads(const Napi::CallbackInfo& info) {
    const double count = number(info[0], "threads");
    if (!(count >= 1 && count <= maxThreads))
        throw Napi::RangeError::New(info.Env(), "threads must be 1 to " + std::to_string(maxThreads));
    setThreadCount(static_cast<std::size_t>(count));
}

/** What TypeScript bounds its arguments by. */
Napi::Value limits(const Napi::CallbackInfo& info) {
    Napi::Object limits = Napi::Object::New(info.Env());
    limits["operands"] = static_cast<double>(maxOperands);
    limits["channels"] = static_cast<double>(maxChannels);
    limits["threads"] = static_cast<double>(maxThreads);
    limits["stream"] = static_cast<double>(maxStream);
    limits["substep"] = static_cast<double>(maxSubstep);
    limits["word"] = static_cast<double>(maxWord);
    limits["sample"] = static_cast<double>(maxSample);
    limits["flatIndex"] = static_cast<double>(maxFlatIndex);
    limits["chunk"] = static_cast<double>(chunkSize);
    return limits;
}

Napi::Object initialize(Napi::Env, Napi::Object exports) {
    add<affine>(exports, "affine", {"out", "operands", "coefficients", "mean", "address", "samples"});
    add<langevin>(exports, "langevin",
                  {"x", "output", "coefficients", "norm", "address", "samples", "mean", "steps"});
    add<dots>(exports, "dots", {"a", "b", "out"});
    add<clip>(exports, "clip", {"x", "low", "high"});
    add<gather>(exports, "gather", {"out", "x", "rows"});
    add<scaledErrors>(exports, "scaledErrors", {"error", "before", "after", "atol", "rtol", "out"});
    add<fill>(exports, "fill", {"out", "batch", "distribution", "address", "samples"});
    add<projectMeasurement>(exports, "projectMeasurement",
                            {"x", "y", "mask", "coefficients", "address", "samples", "basis"});
    add<toBytes>(exports, "toBytes", {"x", "low", "high", "out"});
    add<fromBytes>(exports, "fromBytes", {"bytes", "low", "high", "out"});
    add<diffuse>(
        exports, "diffuse",
        {"x", "target", "x0", "low", "high", "flips", "width", "coefficients", "address", "samples"});
    add<adamw>(exports, "adamw",
               {"parameters", "gradients", "firstMoments", "secondMoments", "averages", "decays", "options"});
    add<sumOfSquares>(exports, "sumOfSquares", {"tensors"});
    add<openRuntime>(exports, "openRuntime", {"asked", "otherwise"});
    add<createSession>(
        exports, "createSession",
        {"source", "threads", "optimization", "memoryPattern", "optimizedModelPath", "entries"});
    add<runSession>(exports, "runSession",
                    {"session", "call", "inputs", "feeds", "outputs", "targets", "shapes"});
    add<runSessionHere>(exports, "runSessionHere",
                        {"session", "inputs", "feeds", "outputs", "targets", "shapes"});
    add<terminateCall>(exports, "terminateCall", {"call"});
    add<closeSession>(exports, "closeSession", {"session"});
    add<stopSessions>(exports, "stopSessions");
    add<info>(exports, "info");
    add<limits>(exports, "limits");
    add<isFirst>(exports, "isFirst", {"event"});
    add<selectIsa>(exports, "selectIsa", {"name"});
    add<stayOnThisThread>(exports, "stayOnThisThread");
    add<setThreads>(exports, "setThreads", {"count"});
    return exports;
}

}  // namespace

NODE_API_MODULE(fastsde, initialize)

}  // namespace fastsde::addon
