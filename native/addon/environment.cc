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
    // After the library was loaded, so that this comes before its own destructors.
    [[maybe_unused]] static const int registered = std::atexit(stopAll);
    auto* made = new Environment(env);
    env.SetInstanceData(made);
    return *made;
}

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
    entries_.clear();  // waits for the threads
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

Napi::Value Environment::post(onnx::Thread& thread, std::function<void()> work,
                              std::function<void(bool)> ended,
                              std::function<Napi::Value(Napi::Env)> result) {
    const std::uint64_t key = ++lastKey_;
    const auto error = std::make_shared<std::string>();
    const Napi::Promise::Deferred deferred(env_);
    if (pending_.empty()) settled_.Ref(env_);
    pending_.emplace(key, Pending{deferred, std::move(ended), std::move(result), error});
    thread.post([this, key, error, work = std::move(work)] {
        try {
            work();
        } catch (const std::exception& problem) {
            *error = problem.what();
            if (error->empty()) *error = "unknown error";
        }
        if (stopping_.load()) return;
        settled_.NonBlockingCall(asPointer(key));
    });
    return deferred.Promise();
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
