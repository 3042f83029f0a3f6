#include "pool.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "symbol_version.h"

FASTSDE_SYMBOL_VERSION("pthread_mutex_trylock", "GLIBC_2.2.5");
FASTSDE_SYMBOL_VERSION("_ZNSt18condition_variable4waitERSt11unique_lockISt5mutexE", "GLIBCXX_3.4.11");

namespace fastsde {
namespace {

constexpr auto spinTime = std::chrono::microseconds(20);
constexpr std::uint32_t closed = UINT32_MAX;

void pause() {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

/**
 * One operation at a time, in tiles. `state_` holds its generation (upper half) and the next tile to claim
 * (lower half); a claim is a compare-and-swap of both, so a worker that arrives late can never take a tile of
 * another operation.
 */
class Pool {
  public:
    Pool() : threads_(std::max(1u, std::thread::hardware_concurrency())) {}

    ~Pool() { stopWorkers(); }

    std::size_t threads() const { return threads_.load(std::memory_order_relaxed); }

    void setThreads(std::size_t count) {
        const std::lock_guard operation(operation_);
        stopWorkers();
        threads_.store(count, std::memory_order_relaxed);
    }

    void run(std::size_t count, detail::Tile tile, const void* context) noexcept {
        const std::unique_lock operation(operation_, std::try_to_lock);
        if (!operation.owns_lock() || count >= closed) {  // another JavaScript thread has the workers
            for (std::size_t i = 0; i < count; ++i) tile(context, i);
            return;
        }
        const std::uint64_t generation = state_.load(std::memory_order_relaxed) >> 32;
        state_.store(generation << 32 | closed);
        tile_.store(tile);
        context_.store(context);
        count_.store(static_cast<std::uint32_t>(count));
        done_.store(0);
        state_.store((generation + 1) << 32);
        wakeWorkers();
        work();
        while (done_.load(std::memory_order_acquire) < count) pause();
    }

  private:
    /** Claims and runs tiles until none is left. */
    void work() noexcept {
        std::uint64_t state = state_.load();
        while (static_cast<std::uint32_t>(state) < count_.load()) {
            if (!state_.compare_exchange_weak(state, state + 1)) continue;
            tile_.load(std::memory_order_relaxed)(context_.load(std::memory_order_relaxed),
                                                  static_cast<std::uint32_t>(state));
            done_.fetch_add(1, std::memory_order_release);
            state = state_.load();
        }
    }

    void wakeWorkers() {
        const std::lock_guard lock(sleep_);
        try {
            while (workers_.size() + 1 < threads()) workers_.emplace_back([this] { workerLoop(); });
        } catch (const std::exception&) {  // no more threads to be had: the caller and the others do the work
        }
        wake_.notify_all();
    }

    void workerLoop() {
        while (!stop_.load()) {
            const std::uint64_t seen = state_.load() >> 32;
            work();
            const auto limit = std::chrono::steady_clock::now() + spinTime;
            while (state_.load() >> 32 == seen && !stop_.load() && std::chrono::steady_clock::now() < limit)
                pause();
            if (state_.load() >> 32 != seen) continue;
            std::unique_lock lock(sleep_);
            wake_.wait(lock, [&] { return state_.load() >> 32 != seen || stop_.load(); });
        }
    }

    void stopWorkers() {
        {
            const std::lock_guard lock(sleep_);
            stop_.store(true);
        }
        wake_.notify_all();
        for (std::thread& worker : workers_) worker.join();
        workers_.clear();
        stop_.store(false);
    }

    std::mutex operation_;  // held by the caller of the running operation
    std::atomic<std::uint64_t> state_ = closed;
    std::atomic<detail::Tile> tile_ = nullptr;
    std::atomic<const void*> context_ = nullptr;
    std::atomic<std::uint32_t> count_ = 0;
    std::atomic<std::uint32_t> done_ = 0;

    std::mutex sleep_;
    std::condition_variable wake_;
    std::atomic<bool> stop_ = false;
    std::atomic<std::size_t> threads_;
    std::vector<std::thread> workers_;
};

Pool& pool() {
    static Pool instance;
    return instance;
}

/** Whether this thread stays on itself. */
thread_local bool alone = false;

}  // namespace

std::size_t threadCount() { return pool().threads(); }

void stayOnThisThread() { alone = true; }

bool sharesThreads() { return !alone && threadCount() > 1; }

void setThreadCount(std::size_t count) { pool().setThreads(count); }

void detail::runTiles(std::size_t count, Tile tile, const void* context) noexcept {
    pool().run(count, tile, context);
}

}  // namespace fastsde
