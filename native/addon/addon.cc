// The Node-API binding: functions that take typed arrays which the caller owns and work in place,
// synchronously.
#include <napi.h>

#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "../isa.h"
#include "arguments.h"
#include "command.h"
#include "linear_algebra.h"
#include "queues.h"
#include "mixtures.h"
#include "sessions.h"
#include "verbs.h"

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

/** The thread of a queue, or the calling one. */
void stayOnThisThread(const Napi::CallbackInfo& info) {
    Command(info[0]).run([] { fastsde::stayOnThisThread(); });
}

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
    add<affine>(exports, "affine", {"queue", "out", "operands", "coefficients", "mean", "address", "samples"});
    add<langevin>(exports, "langevin",
                  {"queue", "x", "output", "coefficients", "norm", "address", "samples", "mean", "steps"});
    add<dots>(exports, "dots", {"queue", "a", "b", "out"});
    add<requireFinite>(exports, "requireFinite", {"queue", "x", "samples", "tag"});
    add<addNoise>(exports, "addNoise", {"queue", "x", "v", "coefficients", "address", "samples"});
    add<clip>(exports, "clip", {"queue", "x", "low", "high"});
    add<threshold>(exports, "threshold", {"queue", "x", "samples", "low", "high", "quantile"});
    add<download>(exports, "download", {"queue", "x"});
    add<write>(exports, "write", {"queue", "out", "values"});
    add<copy>(exports, "copy", {"queue", "out", "x"});
    add<scale>(exports, "scale", {"queue", "x", "factors"});
    add<traceRates>(exports, "traceRates", {"queue", "x", "count", "coefficients"});
    add<gather>(exports, "gather", {"queue", "out", "x", "rows"});
    add<scatter>(exports, "scatter", {"queue", "out", "x", "rows"});
    add<scaledErrors>(exports, "scaledErrors",
                      {"queue", "error", "before", "after", "atol", "rtol", "out", "scale", "norm"});
    add<matchSpread>(exports, "matchSpread", {"queue", "x", "reference", "shares"});
    add<fill>(exports, "fill", {"queue", "out", "batch", "distribution", "address", "samples"});
    add<projectMeasurement>(exports, "projectMeasurement",
                            {"queue", "x", "y", "mask", "coefficients", "address", "samples", "basis"});
    add<diffuse>(exports, "diffuse",
                 {"queue", "x", "target", "x0", "low", "high", "flips", "width", "coefficients", "address",
                  "samples"});
    add<adamw>(exports, "adamw",
               {"queue", "parameters", "gradients", "firstMoments", "secondMoments", "averages", "decays",
                "options", "squares"});
    add<stamp>(exports, "stamp", {"queue", "out"});
    add<sumOfSquares>(exports, "sumOfSquares", {"queue", "tensors", "out"});
    add<weigh>(exports, "weigh", {"queue", "x", "factors"});
    add<multiplyAxis>(exports, "multiplyAxis", {"queue", "out", "x", "matrix", "columns", "inner"});
    add<orthonormalize>(exports, "orthonormalize", {"queue", "vectors", "columns", "rows", "index"});
    add<leastResiduals>(exports, "leastResiduals", {"queue", "out", "images", "columns", "rows"});
    add<multiply>(exports, "multiply", {"queue", "out", "a", "transposeA", "b", "transposeB", "terms", "accumulate"});
    add<factorize>(exports, "factorize", {"queue", "matrix", "factor", "pivots"});
    add<invertTriangular>(exports, "invertTriangular", {"queue", "lower", "inverse"});
    add<eigen>(exports, "eigen", {"queue", "matrix", "values", "vectors"});
    add<makeMixture>(exports, "makeMixture", {"dimension", "logWeights", "means", "ranks", "values", "bases"});
    add<dropMixture>(exports, "dropMixture", {"mixture"});
    add<mixtureScore>(exports, "mixtureScore", {"queue", "mixture", "x", "levels", "components", "out"});
    add<mixtureDivergence>(exports, "mixtureDivergence",
                           {"queue", "mixture", "x", "levels", "components", "out"});
    add<mixtureProduct>(exports, "mixtureProduct",
                        {"queue", "mixture", "x", "levels", "components", "v", "out"});
    add<mixturePosterior>(exports, "mixturePosterior",
                          {"queue", "mixture", "x", "levels", "components", "out", "logDensity"});
    add<toBytes>(exports, "toBytes", {"x", "low", "high", "out"});
    add<fromBytes>(exports, "fromBytes", {"bytes", "low", "high", "out"});
    add<openQueue>(exports, "openQueue", {"device", "tag"});
    add<gpuInfo>(exports, "gpuInfo");
    add<hold>(exports, "hold", {"queue", "memory"});
    add<bindRun>(exports, "bindRun", {"queue", "session", "inputs", "feeds", "outputs", "targets", "shapes", "kept"});
    add<runBound>(exports, "runBound", {"queue", "run", "tag"});
    add<follow>(exports, "follow", {"queue", "other"});
    add<settle>(exports, "settle", {"queue"});
    add<cancelQueue>(exports, "cancelQueue", {"queue"});
    add<closeQueue>(exports, "closeQueue", {"queue"});
    add<loadLibraries>(exports, "loadLibraries", {"paths"});
    add<openRuntime>(exports, "openRuntime", {"asked", "otherwise"});
    add<createSession>(
        exports, "createSession",
        {"source", "threads", "optimization", "memoryPattern", "optimizedModelPath", "entries", "tf32"});
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
    add<stayOnThisThread>(exports, "stayOnThisThread", {"queue"});
    add<setThreads>(exports, "setThreads", {"count"});
    return exports;
}

}  // namespace

NODE_API_MODULE(fastsde, initialize)

}  // namespace fastsde::addon
