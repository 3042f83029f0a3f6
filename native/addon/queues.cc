#include "queues.h"

#include <stdexcept>
#include <vector>

#include "arguments.h"
#include "environment.h"
#include "values.h"

namespace fastsde::addon {
namespace {

Environment::QueueEntry& entryOf(const Napi::CallbackInfo& info) {
    return Environment::of(info.Env()).queue(id(info[0], "queue"));
}

void cancel(const Environment::QueueEntry& entry) {
    entry.queue->cancel();
    for (const auto& bound : entry.calls) bound.call->terminate();
}

/** The memory of a value of a network, where the queue holds it. */
const onnx::Memory& heldMemory(const Environment::QueueEntry& entry, const Given& given) {
    if (!entry.queue->holds(given.memory.data, given.memory.bytes))
        throw std::length_error("a value of the network does not lie in memory of the queue");
    return given.memory;
}

/** The values of a network of the host go there and back. */
void runOnHost(cuda::Stream& stream, const Environment::BoundCall& bound) {
    stream.finish();
    for (const auto& [port, memory] : bound.inputs) stream.download(memory.data, memory.bytes);
    bound.call->run();
    for (const auto& [port, memory] : bound.outputs) stream.upload(memory.data, memory.bytes);
}

/** Those of a network on the GPU stay where they are, and nobody waits. */
void runOnGpu(const cuda::Stream& stream, const Environment::BoundCall& bound) {
    const auto there = [&stream](onnx::Memory memory) {
        if (memory.bytes > 0) memory.data = stream.on(memory.data);
        memory.isOnGpu = !cuda::Driver::get().isEmulated;
        return memory;
    };
    bound.call->clear();
    for (const auto& [port, memory] : bound.inputs) bound.call->addInput(port, there(memory));
    for (const auto& [port, memory] : bound.outputs) bound.call->addOutput(port, there(memory));
    bound.gpu->within(stream, [&bound] { bound.call->run(); });
}

}  // namespace

/** Device: undefined for the CPU, or "cuda", which starts as the first command of the queue, of that tag. */
Napi::Value openQueue(const Napi::CallbackInfo& info) {
    std::unique_ptr<cuda::StreamPlace> stream;
    if (!info[0].IsUndefined()) {
        if (string(info[0], "device") != "cuda") throw std::length_error("there is no such device");
        stream = std::make_unique<cuda::StreamPlace>();
    }
    const double tag = number(info[1], "tag");
    const Environment::QueueEntry& entry = Environment::of(info.Env()).addQueue(std::move(stream));
    if (entry.stream != nullptr)
        entry.queue->post(tag, [place = entry.stream.get()] { place->emplace(cuda::Gpu::get()); });
    return Napi::Number::New(info.Env(), entry.id);
}

/** A promise. Of this build: whether it has kernels for real GPUs. Of this machine: its GPU, or the reason why there is none. */
Napi::Value gpuInfo(const Napi::CallbackInfo& info) {
    struct Found {
        std::string reason, name;
        double memory = 0, version = 0;
        bool isEmulated = false;
    };
    const auto found = std::make_shared<Found>();
    const auto look = [found] {
        try {
            const std::shared_ptr<cuda::Gpu> gpu = cuda::Gpu::get();
            *found = {"", gpu->name(), static_cast<double>(gpu->totalMemory()), static_cast<double>(gpu->driver().version),
                      gpu->driver().isEmulated};
        } catch (const cuda::DriverError& error) {
            found->reason = error.what();
        }
    };
    Environment& environment = Environment::of(info.Env());
    return environment.post(environment.aside(), look, [](bool) {}, [found](Napi::Env env) -> Napi::Value {
        Napi::Object result = Napi::Object::New(env);
        result["kernels"] = cuda::hasKernels();
        if (!found->reason.empty()) {
            result["reason"] = found->reason;
            return result;
        }
        result["name"] = found->name;
        result["memory"] = found->memory;
        result["version"] = found->version;
        result["emulated"] = found->isEmulated;
        return result;
    });
}

/** Shared memory, which nobody can take away; it is kept until the queue is closed. */
void hold(const Napi::CallbackInfo& info) {
    Environment::QueueEntry& entry = entryOf(info);
    const std::span memory = rawBytes(info[1], "memory");
    if (!isShared(info[1])) throw Napi::TypeError::New(info.Env(), "memory must be shared");
    entry.memory.push_back(Napi::Persistent(info[1].As<Napi::Object>()));
    entry.queue->hold(memory.data(), memory.size());
    if (entry.stream != nullptr)
        entry.queue->post(0, [place = entry.stream.get(), memory] {
            cuda::Stream& stream = place->value();
            stream.begin();
            stream.hold(memory.data(), memory.size());
        });
}

/**
 * A run of a session with its values in memory of the queue, as a number by which to post it again and again. An output without
 * memory stays in that of ONNX Runtime, for inputs of other runs: kept has the port, the run and its output for each of these.
 */
Napi::Value bindRun(const Napi::CallbackInfo& info) {
    Environment::QueueEntry& entry = entryOf(info);
    const Environment::Entry& network = Environment::of(info.Env()).entry(id(info[1], "session"));
    const std::shared_ptr<onnx::Session> session = network.session;
    const Arguments arguments = argumentsOf(info, 2, *session);
    const auto call = std::make_shared<onnx::Call>(true);
    call->use(session);
    Environment::BoundCall bound{entry.stream == nullptr ? nullptr : network.gpu, call, {}, {}};
    for (const auto& [port, given] : arguments.inputs) bound.inputs.emplace_back(port, heldMemory(entry, given));
    const std::span<const std::int32_t> list = integers(info[7], "kept");
    // Copied, since another thread could write in shared memory between the check and the use.
    const std::vector<std::int32_t> kept(list.begin(), list.end());
    requireLength(kept.size() % 3, 0, "rest of kept");
    for (const Target& target : arguments.outputs)
        if (target.given) bound.outputs.emplace_back(target.port, heldMemory(entry, *target.given));
    if (bound.gpu == nullptr) {
        for (const auto& [port, memory] : bound.inputs) call->addInput(port, memory);
        for (std::size_t i = 0; i < kept.size(); i += 3) {
            const std::size_t port = portNumber(kept[i], session->inputs());
            if (kept[i + 1] < 1 || static_cast<std::size_t>(kept[i + 1]) > entry.calls.size())
                throw std::length_error("the queue has no such run");
            const Environment::BoundCall& from = entry.calls[static_cast<std::size_t>(kept[i + 1]) - 1];
            if (from.gpu != nullptr || kept[i + 2] < 0 || static_cast<std::size_t>(kept[i + 2]) >= from.call->outputCount())
                throw std::length_error("the run has no such output");
            call->addKept(port, from.call, static_cast<std::size_t>(kept[i + 2]));
        }
        for (const Target& target : arguments.outputs)
            call->addOutput(target.port, target.given ? std::optional(target.given->memory) : std::nullopt);
    } else {
        if (!kept.empty() || bound.outputs.size() != arguments.outputs.size())
            throw std::length_error("on a GPU all values have memory of the queue");
        call->leaveToStream();
    }
    entry.calls.push_back(std::move(bound));
    return Napi::Number::New(info.Env(), static_cast<double>(entry.calls.size()));
}

void runBound(const Napi::CallbackInfo& info) {
    const Environment::QueueEntry& entry = entryOf(info);
    const std::uint32_t run = id(info[1], "run");
    if (run < 1 || run > entry.calls.size()) throw std::length_error("the queue has no such run");
    const double tag = number(info[2], "tag");
    if (entry.stream == nullptr) return entry.queue->post(tag, [call = entry.calls[run - 1].call] { call->run(); });
    entry.queue->post(tag, [place = entry.stream.get(), bound = entry.calls[run - 1]] {
        cuda::Stream& stream = place->value();
        stream.begin();
        if (bound.gpu == nullptr)
            runOnHost(stream, bound);
        else
            runOnGpu(stream, bound);
    });
}

/** What comes later on a queue of the host waits for what another such queue was given so far. */
void follow(const Napi::CallbackInfo& info) {
    const Environment::QueueEntry& entry = entryOf(info);
    const Environment::QueueEntry& other = Environment::of(info.Env()).queue(id(info[1], "other"));
    if (entry.stream != nullptr || other.stream != nullptr) throw std::length_error("a GPU does not do this");
    if (&entry == &other) throw std::length_error("a queue cannot follow itself");
    entry.queue->follow(*other.queue);
}

/** A promise of what ended the queue, once all commands before have taken effect: { tag, index, message }, or undefined. */
Napi::Value settle(const Napi::CallbackInfo& info) {
    Environment& environment = Environment::of(info.Env());
    const Environment::QueueEntry& entry = entryOf(info);
    const auto failure = std::make_shared<std::optional<Failure>>();
    const auto [key, promise] = environment.promise([](bool) {}, [failure](Napi::Env env) -> Napi::Value {
        if (!*failure) return env.Undefined();
        Napi::Object result = Napi::Object::New(env);
        result["tag"] = (*failure)->tag;
        result["index"] = static_cast<double>((*failure)->index);
        result["message"] = (*failure)->message;
        return result;
    });
    if (entry.stream != nullptr)
        entry.queue->post(0, [place = entry.stream.get()] {
            cuda::Stream& stream = place->value();
            stream.begin();
            stream.finish();
        });
    entry.queue->mark([&environment, failure, key = key](const Failure* found) {
        if (found != nullptr) *failure = *found;
        environment.announce(key);
    });
    return promise;
}

/** No command begins any more, and a network that runs ends at its next operator. */
void cancelQueue(const Napi::CallbackInfo& info) { cancel(entryOf(info)); }

/** Cancels, and settles once the thread has ended. */
Napi::Value closeQueue(const Napi::CallbackInfo& info) {
    Environment& environment = Environment::of(info.Env());
    Environment::QueueEntry& entry = entryOf(info);
    cancel(entry);
    entry.closing = true;
    // Taken down by the thread: a GPU, and a network that nobody else has any more, take a while.
    struct Last {
        std::vector<Environment::BoundCall> calls;
        std::unique_ptr<cuda::StreamPlace> stream;
    };
    const auto last = std::make_shared<Last>(Last{std::move(entry.calls), std::move(entry.stream)});
    const auto [key, promise] = environment.promise([&environment, &entry](bool) { environment.removeQueue(entry); },
                                                    [](Napi::Env env) { return env.Undefined(); });
    entry.queue->mark([&environment, last, key = key](const Failure*) {
        *last = {};
        environment.announce(key);
    });
    return promise;
}

}  // namespace fastsde::addon
