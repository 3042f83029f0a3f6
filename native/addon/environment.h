// What one JavaScript thread has of sessions and queues: it outlives them all, and ends what runs when the thread or the process
// ends.
#pragma once

#include <napi.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "../cuda/guest_stream.h"
#include "../cuda/stream.h"
#include "../onnx/session.h"
#include "../operations/mixture.h"
#include "../queue/queue.h"

namespace fastsde::addon {

class Environment {
  public:
    /** That of the calling JavaScript thread. */
    static Environment& of(Napi::Env env);

    /** Ends all of all environments when the process ends, before the destructors of what is loaded now. */
    static int stopAtExit();

    explicit Environment(Napi::Env env);
    ~Environment();
    Environment(const Environment&) = delete;
    Environment& operator=(const Environment&) = delete;

    /** A session, the thread of its runs, and where it runs on the GPU of our kernels the stream that its work is put on. */
    struct Entry {
        std::uint32_t id;
        std::shared_ptr<cuda::GuestStream> gpu;
        std::shared_ptr<onnx::Session> session;  // null until it is made, and after it is closed
        std::unique_ptr<Thread> thread = std::make_unique<Thread>();
    };

    /** A call that was bound to memory of a queue: its values by port, and the stream of its session where that is on a GPU. */
    struct BoundCall {
        std::shared_ptr<cuda::GuestStream> gpu;
        std::shared_ptr<onnx::Call> call;
        std::vector<std::pair<std::size_t, onnx::Memory>> inputs, outputs;
    };

    /**
     * A queue, what keeps the memory that it holds, the calls that were bound to that, and the stream of a GPU that its arrays are on: null
     * for the CPU.
     */
    struct QueueEntry {
        std::uint32_t id;
        std::vector<Napi::ObjectReference> memory;
        std::vector<BoundCall> calls;
        std::unique_ptr<cuda::StreamPlace> stream;
        std::unique_ptr<Queue> queue = std::make_unique<Queue>();
        bool closing = false;
    };

    /** @param stream null for the CPU */
    QueueEntry& addQueue(std::unique_ptr<cuda::StreamPlace> stream);
    /** @throws Napi::Error where there is no such queue. */
    QueueEntry& queue(std::uint32_t id);
    /** Waits for the thread. */
    void removeQueue(const QueueEntry& entry) { queues_.erase(entry.id); }

    Entry& addEntry();
    /** @throws Napi::Error where there is no such session. */
    Entry& entry(std::uint32_t id);
    /** Waits for the thread. */
    void removeEntry(const Entry& entry) { entries_.erase(entry.id); }

    /** The thread of what takes long and is of no queue or session: libraries that are loaded, a GPU that starts. */
    Thread& aside();

    /**
     * Does work on a thread, then settles a promise on this one.
     * @param work the message of a std::exception that it throws is that of the rejection
     * @param result makes the value of the promise where work succeeded
     * @param ended comes before that, whether work succeeded or not
     */
    Napi::Value post(Thread& thread, std::function<void()> work, std::function<void(bool)> ended,
                     std::function<Napi::Value(Napi::Env)> result);

    /** A promise that `announce` settles, by its key, where the environment still lives. */
    struct Announced {
        std::uint64_t key;
        Napi::Value promise;
    };

    /** @param result, error and ended as in post */
    Announced promise(std::function<void(bool)> ended, std::function<Napi::Value(Napi::Env)> result,
                      std::shared_ptr<std::string> error = std::make_shared<std::string>());
    /** From any thread. */
    void announce(std::uint64_t key);

    /** Mixtures of Gaussians, by the number that a caller got for each. */
    std::map<std::uint32_t, std::shared_ptr<const Mixture>> mixtures;
    std::uint32_t lastMixture = 0;

    /** Calls under way, by the number that the caller gave them. */
    std::map<double, std::shared_ptr<onnx::Call>> calls;

    /** Terminates all calls, cancels all queues and waits for all threads. */
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
    std::map<std::uint32_t, QueueEntry> queues_;
    std::map<std::uint64_t, Pending> pending_;
    std::unique_ptr<Thread> aside_;
    std::uint32_t lastEntry_ = 0, lastQueue_ = 0;
    std::uint64_t lastKey_ = 0;
    std::atomic<bool> stopping_ = false;
};

}  // namespace fastsde::addon
