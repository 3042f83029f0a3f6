#include "sessions.h"

#include <cmath>
#include <cstring>
#include <stdexcept>

#include "../limits.h"
#include "arguments.h"
#include "environment.h"
#include "values.h"

namespace fastsde::addon {
namespace {

using onnx::Call;
using onnx::Memory;
using onnx::Port;
using onnx::Result;

std::string optionalString(const Napi::Value& value, const char* name) {
    return value.IsUndefined() ? std::string() : string(value, name);
}

double callNumber(const Napi::Value& value) {
    const double call = number(value, "call");
    if (!(std::abs(call) <= 9007199254740991.0)) throw std::length_error("call must be a safe integer");
    return call;
}

/** What a run gave where no memory was given for it: { type, shape, data: ArrayBuffer }; undefined for the rest. */
Napi::Value resultsOf(Napi::Env env, const Call& call, const std::vector<bool>& wasGiven) {
    Napi::Array results = Napi::Array::New(env, wasGiven.size());
    for (std::uint32_t i = 0; i < wasGiven.size(); ++i) {
        results[i] = env.Undefined();
        if (wasGiven[i]) continue;
        const Result output = call.output(i);
        Napi::ArrayBuffer data = Napi::ArrayBuffer::New(env, output.bytes);
        if (output.bytes > 0) std::memcpy(data.Data(), output.data, output.bytes);
        Napi::Array shape = Napi::Array::New(env, output.shape.size());
        for (std::uint32_t k = 0; k < output.shape.size(); ++k) shape[k] = static_cast<double>(output.shape[k]);
        Napi::Object result = Napi::Object::New(env);
        result["type"] = static_cast<double>(output.type);
        result["shape"] = shape;
        result["data"] = data;
        results[i] = result;
    }
    return results;
}

std::vector<bool> whichAreGiven(const std::vector<Target>& targets) {
    std::vector<bool> given;
    for (const Target& target : targets) given.push_back(target.given.has_value());
    return given;
}

/** Memory of a call's own for the values that somebody could take away while it lasts. */
class Copies {
  public:
    /** A copy of the memory, or the memory itself where nobody can take it away. */
    Memory secure(const Given& given, bool isInput) {
        if (given.isShared) {
            kept_.push_back(Napi::Persistent(given.array.As<Napi::Object>()));
            return given.memory;
        }
        Memory memory = given.memory;
        blocks_.push_back(std::make_unique_for_overwrite<char[]>(memory.bytes));
        memory.data = blocks_.back().get();
        if (!isInput)
            targets_.emplace_back(Napi::Persistent(given.array.As<Napi::Object>()), memory);
        else if (memory.bytes > 0)
            std::memcpy(memory.data, given.memory.data, memory.bytes);
        return memory;
    }

    /** After the run: outputs to where they were wanted. */
    void deliver(Napi::Env env) const {
        for (const auto& [reference, memory] : targets_) {
            napi_typedarray_type type{};
            std::size_t length = 0;
            void* data = nullptr;
            napi_get_typedarray_info(env, reference.Value(), &type, &length, &data, nullptr, nullptr);
            if (length * onnx::bytesOf(memory.type) < memory.bytes)
                throw Napi::Error::New(env, "the array of an output was taken away during the run");
            if (memory.bytes > 0) std::memcpy(data, memory.data, memory.bytes);
        }
    }

  private:
    std::vector<std::unique_ptr<char[]>> blocks_;
    std::vector<std::pair<Napi::ObjectReference, Memory>> targets_;
    std::vector<Napi::ObjectReference> kept_;
};

/**
 * The stream for a network that is to run on the GPU: ours, so that its values can stay there. Null for another network, and where this build has
 * no kernels: the values then are on the host. On the GPU of the tests, which is the host, ONNX Runtime runs as on the CPU.
 */
std::shared_ptr<cuda::GuestStream> placeOnGpu(onnx::Settings& settings) {
    if (!settings.cuda) return nullptr;
    settings.ownOperators = false;
    const bool isEmulated = cuda::Driver::get().isEmulated;
    if (!isEmulated && !cuda::hasKernels()) return nullptr;
    auto stream = std::make_shared<cuda::GuestStream>(cuda::Gpu::get());
    if (isEmulated)
        settings.cuda.reset();
    else
        settings.cuda->stream = stream->handle();
    return stream;
}

/** What the thread of a session makes and takes down, since either may take long. */
struct OnItsThread {
    std::shared_ptr<cuda::GuestStream> gpu;
    std::shared_ptr<onnx::Session> session;
};

template <typename Source>
OnItsThread make(const Source& source, onnx::Settings settings) {
    auto gpu = placeOnGpu(settings);
    return {std::move(gpu), std::make_shared<onnx::Session>(source, settings)};
}

std::shared_ptr<onnx::Session> sessionOf(const Napi::CallbackInfo& info) {
    return Environment::of(info.Env()).entry(id(info[0], "session")).session;
}

Napi::Value portsOf(Napi::Env env, const std::vector<Port>& ports) {
    Napi::Array list = Napi::Array::New(env, ports.size());
    for (std::uint32_t i = 0; i < ports.size(); ++i) {
        const Port& port = ports[i];
        Napi::Array shape = Napi::Array::New(env, port.shape.size());
        for (std::uint32_t k = 0; k < port.shape.size(); ++k) {
            if (port.shape[k] < 0)
                shape[k] = port.symbols[k];
            else
                shape[k] = static_cast<double>(port.shape[k]);
        }
        Napi::Object entry = Napi::Object::New(env);
        entry["name"] = port.name;
        entry["type"] = static_cast<double>(port.type);
        entry["shape"] = shape;
        list[i] = entry;
    }
    return list;
}

}  // namespace

/** A promise of { path, version }. */
Napi::Value openRuntime(const Napi::CallbackInfo& info) {
    Environment& environment = Environment::of(info.Env());
    return environment.post(
        environment.aside(),
        [asked = optionalString(info[0], "asked"), otherwise = optionalString(info[1], "otherwise")] {
            onnx::openLibrary(asked, otherwise);
        },
        [](bool) {},
        [](Napi::Env env) -> Napi::Value {
            Napi::Object result = Napi::Object::New(env);
            result["path"] = onnx::library().path;
            result["version"] = onnx::library().version;
            return result;
        });
}

/** Those that a library of ONNX Runtime asks for by name, so that it finds them; a promise. */
Napi::Value loadLibraries(const Napi::CallbackInfo& info) {
    std::vector<std::string> paths;
    for (const Napi::Value& path : elements(info[0], "paths")) paths.push_back(string(path, "path"));
    Environment& environment = Environment::of(info.Env());
    return environment.post(
        environment.aside(),
        [paths = std::move(paths)] {
            for (const std::string& path : paths) onnx::loadLibrary(path);
        },
        [](bool) {}, [](Napi::Env env) { return env.Undefined(); });
}

/** Entries of the configuration are keys and values in turn. The last argument, for a network on the GPU, is whether it uses TF32. */
Napi::Value createSession(const Napi::CallbackInfo& info) {
    onnx::library();
    // Now that the library is loaded, so that this comes before its destructors.
    [[maybe_unused]] static const int registered = Environment::stopAtExit();
    onnx::Settings settings;
    const std::vector<Napi::Value> entries = elements(info[5], "entries");
    requireLength(entries.size() % 2, 0, "rest of entries");
    for (std::size_t i = 0; i < entries.size(); i += 2)
        settings.entries.emplace_back(string(entries[i], "key"), string(entries[i + 1], "value"));
    const double threads = number(info[1], "threads"), optimization = number(info[2], "optimization");
    if (!(threads >= 0 && threads <= maxThreads)) throw std::length_error("there are too many threads");
    if (optimization != 0 && optimization != 1 && optimization != 2 && optimization != 99)
        throw std::length_error("optimization must be 0, 1, 2 or 99");
    settings.threads = static_cast<int>(threads);
    settings.optimization = static_cast<int>(optimization);
    settings.memoryPattern = info[3].ToBoolean();
    settings.optimizedModelPath = optionalString(info[4], "optimizedModelPath");
    if (!info[6].IsUndefined()) settings.cuda = onnx::CudaProvider{.tf32 = info[6].ToBoolean()};

    const auto made = std::make_shared<OnItsThread>();
    std::function<void()> create;
    if (info[0].IsString()) {
        create = [made, path = string(info[0], "source"), settings] { *made = make(path, settings); };
    } else {
        const std::span source = bytes(info[0], "source");
        const auto* data = reinterpret_cast<const std::byte*>(source.data());
        create = [made, model = std::vector<std::byte>(data, data + source.size()), settings] {
            *made = make(std::span(model), settings);
        };
    }
    Environment& environment = Environment::of(info.Env());
    Environment::Entry& entry = environment.addEntry();
    return environment.post(
        *entry.thread, std::move(create),
        [&environment, &entry, made](bool succeeded) {
            entry.gpu = made->gpu;
            entry.session = made->session;
            if (!succeeded) environment.removeEntry(entry);
        },
        [&entry](Napi::Env env) -> Napi::Value {
            Napi::Object result = Napi::Object::New(env);
            result["session"] = static_cast<double>(entry.id);
            result["isOnGpu"] = entry.gpu != nullptr;
            result["inputs"] = portsOf(env, entry.session->inputs());
            result["outputs"] = portsOf(env, entry.session->outputs());
            return result;
        });
}

/** On the session's thread. */
Napi::Value runSession(const Napi::CallbackInfo& info) {
    const std::shared_ptr<onnx::Session> session = sessionOf(info);
    const double number = callNumber(info[1]);
    const Arguments arguments = argumentsOf(info, 2, *session);
    Environment& environment = Environment::of(info.Env());
    const auto call = std::make_shared<Call>(true);
    const auto copies = std::make_shared<Copies>();
    for (const auto& [port, given] : arguments.inputs) call->addInput(port, copies->secure(given, true));
    for (const Target& target : arguments.outputs) {
        std::optional<Memory> memory;
        if (target.given) memory = copies->secure(*target.given, false);
        call->addOutput(target.port, memory);
    }
    if (!environment.calls.emplace(number, call).second)
        throw Napi::Error::New(info.Env(), "a call of this number is under way");
    return environment.post(
        *environment.entry(id(info[0], "session")).thread, [session, call] { session->run(*call); },
        [&environment, number](bool) { environment.calls.erase(number); },
        [call, copies, wasGiven = whichAreGiven(arguments.outputs)](Napi::Env env) {
            copies->deliver(env);
            return resultsOf(env, *call, wasGiven);
        });
}

/** On this thread, in the arrays themselves: nobody can take them away meanwhile. */
Napi::Value runSessionHere(const Napi::CallbackInfo& info) {
    const std::shared_ptr<onnx::Session> session = sessionOf(info);
    const Arguments arguments = argumentsOf(info, 1, *session);
    Call call(false);
    for (const auto& [port, given] : arguments.inputs) call.addInput(port, given.memory);
    for (const Target& target : arguments.outputs)
        call.addOutput(target.port, target.given ? std::optional(target.given->memory) : std::nullopt);
    session->run(call);
    return resultsOf(info.Env(), call, whichAreGiven(arguments.outputs));
}

void terminateCall(const Napi::CallbackInfo& info) {
    const auto& calls = Environment::of(info.Env()).calls;
    const auto found = calls.find(callNumber(info[0]));
    if (found != calls.end()) found->second->terminate();
}

/** After the runs under way. */
Napi::Value closeSession(const Napi::CallbackInfo& info) {
    Environment& environment = Environment::of(info.Env());
    Environment::Entry& entry = environment.entry(id(info[0], "session"));
    // After the runs that were asked for; from now on no other can be.
    const auto last = std::make_shared<OnItsThread>(std::move(entry.gpu), std::move(entry.session));
    return environment.post(
        *entry.thread, [last] { last->session.reset(), last->gpu.reset(); },
        [&environment, &entry](bool) { environment.removeEntry(entry); },
        [](Napi::Env env) { return env.Undefined(); });
}

/** For the end of the process: terminates all calls of this JavaScript thread and waits for its sessions' threads. */
void stopSessions(const Napi::CallbackInfo& info) { Environment::of(info.Env()).stop(); }

}  // namespace fastsde::addon
