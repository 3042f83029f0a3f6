#include "thread.h"

#include "../symbol_version.h"

FASTSDE_SYMBOL_VERSION("_ZNSt18condition_variable4waitERSt11unique_lockISt5mutexE", "GLIBCXX_3.4.11");

namespace fastsde {

Thread::Thread() : thread_([this] { loop(); }) {}

Thread::~Thread() {
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
    }
    wake_.notify_one();
    thread_.join();
}

void Thread::post(std::function<void()> job) {
    {
        const std::lock_guard lock(mutex_);
        jobs_.push_back(std::move(job));
    }
    wake_.notify_one();
}

void Thread::loop() {
    std::unique_lock lock(mutex_);
    for (;;) {
        wake_.wait(lock, [this] { return ending_ || !jobs_.empty(); });
        if (jobs_.empty()) return;
        std::list<std::function<void()>> job;
        job.splice(job.begin(), jobs_, jobs_.begin());
        lock.unlock();
        job.front()();
        job.clear();  // what it holds may take long to go
        lock.lock();
    }
}

}  // namespace fastsde
