// What one JavaScript thread has of sessions: it outlives them all, and ends what runs when the thread or the process ends.
#pragma once

#include <napi.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>

#include "../onnx/session.h"
#include "../onnx/thread.h"

namespace fastsde::addon {

class Environment {
  public:
    /** That of the calling JavaScript thread. */
    static Environment& of(Napi::Env env);

    explicit Environment(Napi::Env env);
    ~Environment();
    Environment(const Environment&) = delete;
    Environment& operator=(const Environment&) = delete;

    /** A session and the thread of its runs. */
    struct Entry {
        std::uint32_t id;
        std::shared_ptr<onnx::Session> session;  // null until it is made, and after it is closed
        std::unique_ptr<onnx::Thread> thread = std::make_unique<onnx::Thread>();
    };

    Entry& addEntry();
    /** @throws Napi::Error where there is no such session. */
    Entry& entry(std::uint32_t id);
    /** Waits for the thread. */
    void removeEntry(const Entry& entry) { entries_.erase(entry.id); }

    /**
     * Does work on a thread, then settles a promise on this one.
     * @param work the message of a std::exception that it throws is that of the rejection
     * @param result makes the value of the promise where work succeeded
     * @param ended comes before that, whether work succeeded or not
     */
    Napi::Value post(onnx::Thread& thread, std::function<void()> work, std::function<void(bool)> ended,
                     std::function<Napi::Value(Napi::Env)> result);

    /** Calls under way, by the number that the caller gave them. */
    std::map<double, std::shared_ptr<onnx::Call>> calls;

    /** Terminates all calls and waits for all threads. */
    void stop();

  private:
    struct Pending {
        Napi::Promise::Deferred deferred;
        std::function<void(bool)> ended;
        std::function<Napi::Value(Napi::Env)> result;
        std::shared_ptr<std::string> error;  // empty where all went well
    };

    void settle(std::uint64_t key);
    static void onSettled(Napi::Env env, Napi::Function, Environment* environment, void* key);

    Napi::Env env_;
    Napi::TypedThreadSafeFunction<Environment, void, onSettled> settled_;
    std::map<std::uint32_t, Entry> entries_;
    std::map<std::uint64_t, Pending> pending_;
    std::uint32_t lastEntry_ = 0;
    std::uint64_t lastKey_ = 0;
    std::atomic<bool> stopping_ = false;
};

}  // namespace fastsde::addon
