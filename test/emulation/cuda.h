// Stands for CUDA where kernels are compiled for the host: a launch runs the blocks one after the other, and the threads of a block
// in an order that changes from launch to launch, since nothing may depend on it. Shared memory is not a number at first.
//
// A thread runs until it ends or meets others: then it is left behind as a fiber, and the next one begins on another. A barrier opens
// when all threads that are still there wait at it.
#pragma once

#include <setjmp.h>
#include <ucontext.h>

#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#define __device__
#define __shared__ static __attribute__((section("emulated_shared")))
#define FASTSDE_DEVICE static inline
#define FASTSDE_MEMBER inline

extern "C" {
extern unsigned char __start_emulated_shared[] __attribute__((weak));
extern unsigned char __stop_emulated_shared[] __attribute__((weak));
}

namespace emulation {

struct Place {
    unsigned int x = 0, y = 0;
};

inline Place thread, block, blockSize, gridSize;

enum class Order { forward, backward, shuffled };

enum class State { running, atWarp, atBlock, ended };

/** The threads of a block. */
class Threads {
  public:
    /** @return what is wrong with the kernel, or null */
    const char* run(unsigned int count, Order order, void (*kernel)(const void*), const void* parameters);
    void wait(State state);
    unsigned int running() const { return running_; }

    /** What threads of a warp show each other, in two places by turns, so that one barrier is enough. */
    struct Shown {
        unsigned int turn = 0;
        unsigned char bytes[2][8];
    };
    std::vector<Shown> shown;

  private:
    static constexpr std::size_t stackSize = 128 << 10;
    /** Begun by way of its context, and from then on left and entered by jumps, which ask nothing of the system. */
    struct Fiber {
        ucontext_t context;
        jmp_buf left;
        bool isBegun = false;
        std::unique_ptr<char[]> stack = std::make_unique_for_overwrite<char[]>(stackSize);
    };

    static void loop();
    void enter(Fiber& fiber);
    void leave();
    unsigned int place(unsigned int i) const {
        if (order_ == Order::forward) return i;
        return order_ == Order::backward ? count_ - 1 - i : static_cast<unsigned int>((i * 7919u + 3) % count_);
    }
    bool open(const char*& problem);

    unsigned int count_ = 0, begun_ = 0, running_ = 0;
    Order order_ = Order::forward;
    void (*kernel_)(const void*) = nullptr;
    const void* parameters_ = nullptr;
    std::vector<State> states_;
    std::vector<Fiber*> where_;
    std::vector<std::unique_ptr<Fiber>> fibers_;
    std::vector<Fiber*> idle_;
    Fiber* current_ = nullptr;
    jmp_buf main_;
};

Threads& threads();

/** A value of another thread of the warp. */
template <typename T>
T shuffle(T value, unsigned int source) {
    static_assert(sizeof(T) <= 8);
    Threads& all = threads();
    Threads::Shown& own = all.shown[all.running()];
    const unsigned int turn = own.turn++ % 2;
    std::memcpy(own.bytes[turn], &value, sizeof value);
    all.wait(State::atWarp);
    std::memcpy(&value, all.shown[source].bytes[turn], sizeof value);
    return value;
}

struct Kernel {
    void (*run)(const void*);
    std::size_t bytes;
    std::size_t launches = 0;
};

inline std::map<std::string, Kernel>& kernels() {
    static std::map<std::string, Kernel> all;
    return all;
}

template <typename Parameters, void (*kernel)(const Parameters&)>
struct Registered {
    explicit Registered(const char* name) {
        kernels()[name] = {[](const void* p) { kernel(*static_cast<const Parameters*>(p)); }, sizeof(Parameters)};
    }
};

}  // namespace emulation

#define FASTSDE_KERNEL(name, Parameters)                                              \
    static void name(const Parameters& p);                                            \
    static const emulation::Registered<Parameters, name> registered_##name(#name);    \
    static void name(const Parameters& p)

#define threadIdx emulation::thread
#define blockIdx emulation::block
#define blockDim emulation::blockSize
#define gridDim emulation::gridSize

inline void __syncthreads() { emulation::threads().wait(emulation::State::atBlock); }

template <typename T>
T __shfl_xor_sync(unsigned int, T value, int mask) {
    return emulation::shuffle(value, emulation::threads().running() ^ static_cast<unsigned int>(mask));
}

inline unsigned int atomicAdd(unsigned int* place, unsigned int value) {
    const unsigned int before = *place;
    *place += value;
    return before;
}
