// Commands that a thread of its own does one after the other, on memory that the queue was told to hold. No Node in here.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>

#include "thread.h"

namespace fastsde {

/** A command that failed, of which `index` says where: a sample, say. */
struct CommandError : std::runtime_error {
    CommandError(const std::string& message, std::size_t at) : runtime_error(message), index(at) {}

    std::size_t index;
};

/** What ended a queue: the tag of the command that failed, and what it said. Of a queue that was cancelled the tag is 0. */
struct Failure {
    double tag;
    std::size_t index;
    std::string message;
};

/** After a command that fails, and after cancel(), the others are passed over: a queue does not go on. */
class Queue {
  public:
    Queue() = default;
    ~Queue() { cancel(); }
    Queue(const Queue&) = delete;
    Queue& operator=(const Queue&) = delete;

    /**
     * @param work fails by a std::exception, or by the Failure of a command before, where that is known only then
     * @param tag above 0, or 0 where it cannot fail
     */
    void post(double tag, std::function<void()> work);

    /** `reached` is called in its place in any case, with what ended the queue before it, or null. */
    void mark(std::function<void(const Failure*)> reached);

    /** What comes later waits for what the other queue was given so far; where that failed, this queue ends, too. */
    void follow(Queue& other);

    /** No command begins any more; from any thread. What runs is not waited for. */
    void cancel() { cancelled_.store(true); }

    /** Takes memory whose owner keeps it as long as the queue lasts; for one thread at a time. */
    void hold(const void* data, std::size_t bytes);
    bool holds(const void* data, std::size_t bytes) const;

  private:
    std::atomic<bool> cancelled_ = false;
    std::unique_ptr<Failure> failure_;  // of the thread
    std::map<const std::byte*, std::size_t, std::less<>> held_;
    Thread thread_;  // last: it uses what stands above
};

}  // namespace fastsde
