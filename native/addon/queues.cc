#include "queues.h"

#include <stdexcept>

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
    for (const auto& call : entry.calls) call->terminate();
}

/** The memory of a value of a network, where the queue holds it. */
const onnx::Memory& heldMemory(const Environment::QueueEntry& entry, const Given& given) {
    if (!entry.queue->holds(given.memory.data, given.memory.bytes))
        throw std::length_error("a value of the network does not lie in memory of the queue");
    return given.memory;
}

}  // namespace

Napi::Value openQueue(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), Environment::of(info.Env()).addQueue().id);
}

/** Shared memory, which nobody can take away; it is kept until the queue is closed. */
void hold(const Napi::CallbackInfo& info) {
    Environment::QueueEntry& entry = entryOf(info);
    const std::span memory = rawBytes(info[1], "memory");
    if (!isShared(info[1])) throw Napi::TypeError::New(info.Env(), "memory must be shared");
    entry.memory.push_back(Napi::Persistent(info[1].As<Napi::Object>()));
    entry.queue->hold(memory.data(), memory.size());
}

/** A run of a session with all its values in memory of the queue, as a number by which to post it again and again. */
Napi::Value bindRun(const Napi::CallbackInfo& info) {
    Environment::QueueEntry& entry = entryOf(info);
    const std::shared_ptr<onnx::Session> session = Environment::of(info.Env()).entry(id(info[1], "session")).session;
    const Arguments arguments = argumentsOf(info, 2, *session);
    const auto call = std::make_shared<onnx::Call>(true);
    call->use(session);
    for (const auto& [port, given] : arguments.inputs) call->addInput(port, heldMemory(entry, given));
    for (const Target& target : arguments.outputs) {
        if (!target.given) throw std::length_error("an output has no memory");
        call->addOutput(target.port, heldMemory(entry, *target.given));
    }
    entry.calls.push_back(call);
    return Napi::Number::New(info.Env(), static_cast<double>(entry.calls.size()));
}

void runBound(const Napi::CallbackInfo& info) {
    const Environment::QueueEntry& entry = entryOf(info);
    const std::uint32_t run = id(info[1], "run");
    if (run < 1 || run > entry.calls.size()) throw std::length_error("the queue has no such run");
    entry.queue->post(number(info[2], "tag"), [call = entry.calls[run - 1]] { call->run(); });
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
    const auto [key, promise] = environment.promise([&environment, &entry](bool) { environment.removeQueue(entry); },
                                                    [](Napi::Env env) { return env.Undefined(); });
    entry.queue->mark([&environment, key = key](const Failure*) { environment.announce(key); });
    return promise;
}

}  // namespace fastsde::addon
