// A driver of CUDA whose device is the host: libcuda.so.1 for tests. Memory lies between pages that nobody may touch, so that an
// access beyond its end ends the process. FASTSDE_MODULE is the path of the kernels, in quotes.
#include "cuda.h"

#include FASTSDE_MODULE

#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <mutex>

namespace emulation {

Threads& threads() {
    static Threads all;
    return all;
}

void Threads::enter(Fiber& fiber) {
    current_ = &fiber;
    if (_setjmp(main_) != 0) return;
    if (fiber.isBegun) _longjmp(fiber.left, 1);
    fiber.isBegun = true;
    setcontext(&fiber.context);
}

void Threads::leave() {
    if (_setjmp(current_->left) == 0) _longjmp(main_, 1);
}

void Threads::loop() {
    Threads& all = threads();
    for (;;) {
        while (all.begun_ < all.count_) {
            all.running_ = all.place(all.begun_++);
            thread.x = all.running_;
            all.kernel_(all.parameters_);
            all.states_[all.running_] = State::ended;
        }
        all.idle_.push_back(all.current_);
        all.leave();
    }
}

void Threads::wait(State state) {
    states_[running_] = state;
    where_[running_] = current_;
    leave();
}

/** Lets waiting threads go on; false where nobody is left. */
bool Threads::open(const char*& problem) {
    bool isAnyone = false, isOpened = false, areAllAtBlock = true;
    for (unsigned int first = 0; first < count_; first += 32) {
        const unsigned int end = first + 32 < count_ ? first + 32 : count_;
        unsigned int waiting = 0, ended = 0;
        for (unsigned int t = first; t < end; ++t) {
            waiting += states_[t] == State::atWarp;
            ended += states_[t] == State::ended;
        }
        isAnyone = isAnyone || ended < end - first;
        if (waiting == 0) continue;
        areAllAtBlock = false;
        if (waiting < 32) {
            if (waiting + ended == end - first) problem = "a thread left a warp whose others wait for it";
            continue;
        }
        for (unsigned int t = first; t < end; ++t) states_[t] = State::running;
        isOpened = true;
    }
    if (problem != nullptr || !isAnyone) return false;
    if (isOpened) return true;
    if (!areAllAtBlock) {
        problem = "threads of a warp wait at different barriers";
        return false;
    }
    for (State& state : states_)
        if (state == State::atBlock) state = State::running;
    return true;
}

const char* Threads::run(unsigned int count, Order order, void (*kernel)(const void*), const void* parameters) {
    count_ = count, order_ = order, kernel_ = kernel, parameters_ = parameters, begun_ = 0;
    states_.assign(count, State::running);
    where_.assign(count, nullptr);
    shown.assign(count, {});
    while (begun_ < count_) {
        if (idle_.empty()) {
            Fiber* fiber = fibers_.emplace_back(std::make_unique<Fiber>()).get();
            getcontext(&fiber->context);
            fiber->context.uc_stack = {fiber->stack.get(), 0, stackSize};
            fiber->context.uc_link = nullptr;
            makecontext(&fiber->context, &Threads::loop, 0);
            idle_.push_back(fiber);
        }
        Fiber* const fiber = idle_.back();
        idle_.pop_back();
        enter(*fiber);
    }
    const char* problem = nullptr;
    while (open(problem))
        for (unsigned int i = 0; i < count; ++i) {
            const unsigned int t = place(i);
            if (states_[t] != State::running) continue;
            running_ = thread.x = t;
            enter(*where_[t]);
        }
    return problem;
}

namespace {

constexpr int invalidValue = 1, outOfMemory = 2, notFound = 500, launchFailed = 719;
constexpr std::size_t totalMemory = std::size_t{1} << 30;

const char* problem = "unknown error";
std::mutex one;  // of the threads of several queues at a time
int pinned = 0;
std::size_t launches = 0, allocated = 0, sent = 0, received = 0;

struct Block {
    unsigned char* pages;
    std::size_t bytes, size;
};
std::map<std::uint64_t, Block>& memory() {
    static std::map<std::uint64_t, Block> blocks;
    return blocks;
}

/** Writes how often each kernel was launched to the file that the environment names, one a line. */
void writeTally() {
    const char* file = std::getenv("FASTSDE_EMULATION_TALLY");
    std::FILE* out = file == nullptr ? nullptr : std::fopen(file, "w");
    if (out == nullptr) return;
    for (const auto& [name, kernel] : kernels()) std::fprintf(out, "%s %zu\n", name.c_str(), kernel.launches);
    std::fprintf(out, "allocated %zu\nsent %zu\nreceived %zu\n", allocated, sent, received);
    std::fclose(out);
}

int handle = 0;  // what all handles point to

/** A driver that takes its time: until there is the file that FASTSDE_EMULATION_GATE names. */
void passGate() {
    const char* const gate = std::getenv("FASTSDE_EMULATION_GATE");
    while (gate != nullptr && access(gate, F_OK) != 0) usleep(1000);
}

int launch(Kernel& kernel, unsigned int x, unsigned int y, unsigned int size, const void* parameters) {
    const std::lock_guard lock(one);
    if (x == 0 || y == 0 || y > 65535 || size == 0 || size > 1024) return invalidValue;
    ++kernel.launches;
    const Order order = static_cast<Order>(launches++ % 3);
    gridSize = {x, y};
    blockSize = {size, 1};
    for (std::size_t i = 0; i < std::size_t{x} * y; ++i) {
        const std::size_t b = order == Order::forward ? i : std::size_t{x} * y - 1 - i;
        block = {static_cast<unsigned int>(b % x), static_cast<unsigned int>(b / x)};
        if (__start_emulated_shared != nullptr)
            std::memset(__start_emulated_shared, 0xff,
                        static_cast<std::size_t>(__stop_emulated_shared - __start_emulated_shared));
        if (const char* found = threads().run(size, order, kernel.run, parameters)) {
            problem = found;
            return launchFailed;
        }
    }
    return 0;
}

}  // namespace
}  // namespace emulation

#define API extern "C" __attribute__((visibility("default"))) int

using emulation::memory;

API fastsdeEmulated() { return 1; }
API cuInit(unsigned int) {
    emulation::passGate();
    return std::getenv("FASTSDE_EMULATION_NO_DEVICE") ? 100 : 0;
}
API cuDriverGetVersion(int* version) {
    const char* asked = std::getenv("FASTSDE_EMULATION_VERSION");
    *version = asked == nullptr ? 13000 : std::atoi(asked);
    return 0;
}
API cuDeviceGetCount(int* count) { return *count = 1, 0; }
API cuDeviceGet(int* device, int) { return *device = 0, 0; }
API cuDeviceGetName(char* name, int size, int) {
    std::snprintf(name, static_cast<std::size_t>(size), "the host, emulated");
    return 0;
}
API cuDeviceGetAttribute(int* value, int attribute, int) { return *value = attribute == 75 ? 9 : 0, 0; }
API cuDevicePrimaryCtxRetain(void** context, int) { return *context = &emulation::handle, 0; }
API cuDevicePrimaryCtxRelease_v2(int) { return 0; }
API cuCtxSetCurrent(void*) { return 0; }
API cuModuleLoadData(void** module, const void*) { return *module = &emulation::handle, 0; }
API cuModuleUnload(void*) { return emulation::passGate(), emulation::writeTally(), 0; }
API cuModuleGetFunction(void** function, void*, const char* name) {
    const auto found = emulation::kernels().find(name);
    if (found == emulation::kernels().end()) return emulation::notFound;
    *function = &found->second;
    return 0;
}
API cuMemGetInfo_v2(std::size_t* free, std::size_t* total) {
    *total = emulation::totalMemory;
    *free = emulation::totalMemory - emulation::allocated;
    return 0;
}
API cuMemAlloc_v2(std::uint64_t* pointer, std::size_t size) {
    const std::lock_guard lock(emulation::one);
    if (size == 0) return emulation::invalidValue;
    if (emulation::allocated + size > emulation::totalMemory) return emulation::outOfMemory;
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const std::size_t inside = (size + page - 1) / page * page, bytes = inside + 2 * page;
    void* pages = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) return emulation::outOfMemory;
    auto* begin = static_cast<unsigned char*>(pages) + page;
    mprotect(begin, inside, PROT_READ | PROT_WRITE);
    std::memset(begin, 0xff, inside);
    *pointer = reinterpret_cast<std::uint64_t>(begin + (inside - size) / 16 * 16);
    memory()[*pointer] = {static_cast<unsigned char*>(pages), bytes, size};
    emulation::allocated += size;
    return 0;
}
API cuMemFree_v2(std::uint64_t pointer) {
    const std::lock_guard lock(emulation::one);
    const auto found = memory().find(pointer);
    if (found == memory().end()) return emulation::invalidValue;
    emulation::allocated -= found->second.size;
    munmap(found->second.pages, found->second.bytes);
    memory().erase(found);
    return 0;
}
/** Pinned memory is scarce, and so are these blocks of it. */
API cuMemAllocHost_v2(void** pointer, std::size_t size) {
    if (++emulation::pinned > 100) return --emulation::pinned, emulation::outOfMemory;
    return *pointer = std::malloc(size), 0;
}
API cuMemFreeHost(void* pointer) { return --emulation::pinned, std::free(pointer), 0; }
API cuMemcpyHtoDAsync_v2(std::uint64_t to, const void* from, std::size_t size, void*) {
    emulation::sent += size;
    std::memcpy(reinterpret_cast<void*>(to), from, size);
    return 0;
}
API cuMemcpyDtoHAsync_v2(void* to, std::uint64_t from, std::size_t size, void*) {
    emulation::received += size;
    std::memcpy(to, reinterpret_cast<const void*>(from), size);
    return 0;
}
API cuMemcpyDtoDAsync_v2(std::uint64_t to, std::uint64_t from, std::size_t size, void*) {
    std::memmove(reinterpret_cast<void*>(to), reinterpret_cast<const void*>(from), size);
    return 0;
}
API cuMemsetD8Async(std::uint64_t to, unsigned char value, std::size_t size, void*) {
    std::memset(reinterpret_cast<void*>(to), value, size);
    return 0;
}
API cuStreamCreate(void** stream, unsigned int) { return *stream = &emulation::handle, 0; }
API cuStreamDestroy_v2(void*) { return 0; }
API cuStreamSynchronize(void*) { return 0; }
API cuStreamWaitEvent(void*, void*, unsigned int) { return 0; }
/** FASTSDE_EMULATION_EVENTS=none makes it fail. */
API cuEventCreate(void** event, unsigned int) {
    const char* const events = std::getenv("FASTSDE_EMULATION_EVENTS");
    if (events != nullptr && *events != 0) return emulation::outOfMemory;
    return *event = &emulation::handle, 0;
}
API cuEventDestroy_v2(void*) { return 0; }
API cuEventRecord(void*, void*) { return 0; }
API cuEventSynchronize(void*) { return 0; }
API cuLaunchKernel(void* function, unsigned int x, unsigned int y, unsigned int, unsigned int size, unsigned int,
                   unsigned int, unsigned int, void*, void** parameters, void**) {
    return emulation::launch(*static_cast<emulation::Kernel*>(function), x, y, size, parameters[0]);
}
API cuGetErrorString(int code, const char** text) {
    *text = code == emulation::outOfMemory    ? "out of memory"
            : code == emulation::notFound     ? "named symbol not found"
            : code == emulation::launchFailed ? emulation::problem
            : code == 100                     ? "no CUDA-capable device is detected"
                                              : "invalid argument";
    return 0;
}
