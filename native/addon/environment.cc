#include "environment.h"

#include <cstdlib>
#include <mutex>
#include <set>

namespace fastsde::addon {
namespace {

/** The environments of all JavaScript threads, so that the end of the process finds them. */
struct Registry {
    std::mutex mutex;
    std::set<Environment*> environments;
};

Registry& registry() {
    static Registry* const instance = new Registry;  // outlives every thread
    return *instance;
}

/** No run may be under way when the library of ONNX Runtime is taken down: process.exit() tells nobody before that. */
void stopAll() {
    const std::lock_guard lock(registry().mutex);
    for (Environment* environment : registry().environments) environment->stop();
}

void* asPointer(std::uint64_t key) { return reinterpret_cast<void*>(static_cast<std::uintptr_t>(key)); }

}  // namespace

Environment& Environment::of(Napi::Env env) {
    if (Environment* known = env.GetInstanceData<Environment>()) return *known;
    [[maybe_unused]] static const int registered = stopAtExit();
    auto* made = new Environment(env);
    env.SetInstanceData(made);
    return *made;
}

int Environment::stopAtExit() { return std::atexit(stopAll); }

Environment::Environment(Napi::Env env)
    : env_(env),
      // Never released: where that happens while the process ends, Node aborts.
      settled_(decltype(settled_)::New(env, "fastsde", 0, 1, this)) {
    settled_.Unref(env);
    napi_add_env_cleanup_hook(
        env,
        [](void* self) {
            auto* environment = static_cast<Environment*>(self);
            environment->stop();
            environment->pending_.clear();
            environment->queues_.clear();
        },
        this);
    const std::lock_guard lock(registry().mutex);
    registry().environments.insert(this);
}

Environment::~Environment() {
    const std::lock_guard lock(registry().mutex);
    registry().environments.erase(this);
}

void Environment::stop() {
    stopping_.store(true);
    for (const auto& [number, call] : calls) call->terminate();
    for (const auto& [id, entry] : queues_) {
        if (entry.queue != nullptr) entry.queue->cancel();
        for (const BoundCall& bound : entry.calls) bound.call->terminate();
    }
    // Their threads are waited for. What keeps memory is Node's, and goes with the environment.
    for (auto& [id, entry] : queues_) {
        entry.queue.reset();
        entry.stream.reset();
        entry.calls.clear();
    }
    entries_.clear();
    aside_.reset();
}

Environment::Entry& Environment::addEntry() {
    if (stopping_.load()) throw Napi::Error::New(env_, "the process ends");
    const std::uint32_t id = ++lastEntry_;
    return entries_.try_emplace(id, Entry{.id = id, .session = nullptr}).first->second;
}

Environment::Entry& Environment::entry(std::uint32_t id) {
    const auto found = entries_.find(id);
    if (found == entries_.end() || found->second.session == nullptr)
        throw Napi::Error::New(env_, "the session is closed");
    return found->second;
}

Environment::QueueEntry& Environment::addQueue(std::unique_ptr<cuda::StreamPlace> stream) {
    if (stopping_.load()) throw Napi::Error::New(env_, "the process ends");
    const std::uint32_t id = ++lastQueue_;
    return queues_.try_emplace(id, QueueEntry{.id = id, .stream = std::move(stream)}).first->second;
}

Environment::QueueEntry& Environment::queue(std::uint32_t id) {
    const auto found = queues_.find(id);
    if (found == queues_.end() || found->second.closing || found->second.queue == nullptr)
        throw Napi::Error::New(env_, "the queue is closed");
    return found->second;
}

Thread& Environment::aside() {
    if (stopping_.load()) throw Napi::Error::New(env_, "the process ends");
    if (aside_ == nullptr) aside_ = std::make_unique<Thread>();
    return *aside_;
}

Environment::Announced Environment::promise(std::function<void(bool)> ended,
                                            std::function<Napi::Value(Napi::Env)> result,
                                            std::shared_ptr<std::string> error) {
    const std::uint64_t key = ++lastKey_;
    const Napi::Promise::Deferred deferred(env_);
    if (pending_.empty()) settled_.Ref(env_);
    pending_.emplace(key, Pending{deferred, std::move(ended), std::move(result), std::move(error)});
    return {key, deferred.Promise()};
}

void Environment::announce(std::uint64_t key) {
    if (!stopping_.load()) settled_.NonBlockingCall(asPointer(key));
}

Napi::Value Environment::post(Thread& thread, std::function<void()> work, std::function<void(bool)> ended,
                              std::function<Napi::Value(Napi::Env)> result) {
    const auto error = std::make_shared<std::string>();
    const auto [key, promise] = this->promise(std::move(ended), std::move(result), error);
    thread.post([this, key = key, error, work = std::move(work)] {
        try {
            work();
        } catch (const std::exception& problem) {
            *error = problem.what();
            if (error->empty()) *error = "unknown error";
        }
        announce(key);
    });
    return promise;
}

void Environment::onSettled(Napi::Env env, Napi::Function, Environment* environment, void* key) {
    if (env != nullptr) environment->settle(reinterpret_cast<std::uintptr_t>(key));
}

void Environment::settle(std::uint64_t key) {
    const auto node = pending_.extract(key);
    if (node.empty()) return;
    if (pending_.empty()) settled_.Unref(env_);
    const Pending& pending = node.mapped();
    pending.ended(pending.error->empty());
    if (!pending.error->empty()) {
        pending.deferred.Reject(Napi::Error::New(env_, *pending.error).Value());
        return;
    }
    try {
        pending.deferred.Resolve(pending.result(env_));
    } catch (const Napi::Error& error) {
        pending.deferred.Reject(error.Value());
    }
}

}  // namespace fastsde::addon
