#include "queue.h"

#include <algorithm>

namespace fastsde {

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
