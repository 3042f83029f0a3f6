#include "queue.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>

#include "../symbol_version.h"

FASTSDE_SYMBOL_VERSION("_ZNSt18condition_variable4waitERSt11unique_lockISt5mutexE", "GLIBCXX_3.4.11");

namespace fastsde {
namespace {

/** What one queue opens for another, which waits before it. */
class Gate {
  public:
    void open(const Failure* failure) {
        const std::lock_guard lock(mutex_);
        if (failure != nullptr) failure_ = std::make_unique<Failure>(Failure{0, 0, failure->message});
        isOpen_ = true;
        opened_.notify_one();
    }

    /** @throws Failure of the queue that opened it, as one of no command here */
    void pass() {
        std::unique_lock lock(mutex_);
        opened_.wait(lock, [this] { return isOpen_; });
        if (failure_ != nullptr) throw *failure_;
    }

  private:
    std::mutex mutex_;
    std::condition_variable opened_;
    bool isOpen_ = false;
    std::unique_ptr<Failure> failure_;
};

}  // namespace

void Queue::post(double tag, std::function<void()> work) {
    thread_.post([this, tag, work = std::move(work)] {
        if (failure_ != nullptr || cancelled_.load(std::memory_order_relaxed)) return;
        try {
            work();
        } catch (const Failure& failure) {
            failure_ = std::make_unique<Failure>(failure);
        } catch (const CommandError& error) {
            failure_ = std::make_unique<Failure>(Failure{tag, error.index, error.what()});
        } catch (const std::exception& error) {
            failure_ = std::make_unique<Failure>(Failure{tag, 0, error.what()});
        }
    });
}

void Queue::mark(std::function<void(const Failure*)> reached) {
    thread_.post([this, reached = std::move(reached)] {
        static const Failure cancelled{0, 0, "the queue was cancelled"};
        reached(failure_ == nullptr && cancelled_.load() ? &cancelled : failure_.get());
    });
}

void Queue::follow(Queue& other) {
    const auto gate = std::make_shared<Gate>();
    other.mark([gate](const Failure* failure) { gate->open(failure); });
    post(0, [gate] { gate->pass(); });
}

void Queue::hold(const void* data, std::size_t bytes) {
    std::size_t& held = held_[static_cast<const std::byte*>(data)];
    held = std::max(held, bytes);
}

bool Queue::holds(const void* data, std::size_t bytes) const {
    const auto* begin = static_cast<const std::byte*>(data);
    auto block = held_.upper_bound(begin);
    if (block == held_.begin()) return false;
    --block;
    const auto offset = static_cast<std::size_t>(begin - block->first);
    return offset <= block->second && bytes <= block->second - offset;
}

}  // namespace fastsde
