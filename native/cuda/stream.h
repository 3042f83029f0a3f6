// A GPU with its kernels, and a stream of it: memory for the arrays of a queue, small inputs, and launches in order.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "../queue/queue.h"
#include "driver.h"
#include "parameters.h"

namespace fastsde::cuda {

/** Whether this build has kernels for a real GPU. */
bool hasKernels();

/** The first GPU of the machine, in its primary context, with the module of the kernels. */
class Gpu {
  public:
    /** Shared by all streams while there are any. @throws DriverError */
    static std::shared_ptr<Gpu> get();

    Gpu();
    ~Gpu();
    Gpu(const Gpu&) = delete;
    Gpu& operator=(const Gpu&) = delete;

    const Driver& driver() const { return driver_; }
    const std::string& name() const { return name_; }
    /** Calls of this thread are for this GPU from now on. */
    void use() const;
    void* context() const { return context_; }
    void* kernel(const char* name);
    std::size_t totalMemory() const;

  private:
    const Driver& driver_;
    int device_ = 0;
    std::string name_;
    void* context_ = nullptr;
    void* module_ = nullptr;
    std::mutex mutex_;
    std::map<std::string, void*, std::less<>> kernels_;
};

/** Memory of a GPU. */
class Memory {
  public:
    /** @throws DriverError that says how much was asked for, and how much there is */
    Memory(Gpu& gpu, std::size_t bytes);
    ~Memory();
    Memory(const Memory&) = delete;
    Memory& operator=(const Memory&) = delete;

    DevicePointer at(std::size_t offset = 0) const { return pointer_ + offset; }
    std::size_t size() const { return bytes_; }

  private:
    Gpu& gpu_;
    std::size_t bytes_;
    DevicePointer pointer_ = 0;
};

/**
 * Commands of one thread, which the GPU does in order while the thread goes on. An array has an address on the host, by which it is
 * known: there its values are put where somebody else wants to read or write them, and nowhere else.
 */
class Stream {
  public:
    explicit Stream(std::shared_ptr<Gpu> gpu);
    ~Stream();
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    /** Before each command, on the thread that gives it. */
    void begin();

    /** Memory of zeros for the array at this address. */
    void hold(const void* host, std::size_t bytes);
    /** Where an address within an array lies on the GPU. */
    DevicePointer at(const void* host) const;
    template <typename T>
    T* on(T* host) const {
        return reinterpret_cast<T*>(at(host));
    }

    /** Values of the caller's into an array. They may change when it returns. */
    void write(const void* host, std::span<const std::byte> values);
    /** From the GPU to the host, once all before is done; and back. */
    void download(void* host, std::size_t bytes);
    void upload(const void* host, std::size_t bytes);
    void copy(const void* to, const void* from, std::size_t bytes);

    /** Small inputs of the next launch: a copy in the memory of the GPU. */
    template <typename T>
    const T* table(std::span<const T> values) {
        return reinterpret_cast<const T*>(tableOf(std::as_bytes(values)));
    }

    /** Memory for what the launches of one verb tell each other. */
    template <typename T>
    T* scratch(std::size_t count) {
        return reinterpret_cast<T*>(scratchOf(count * sizeof(T)));
    }

    /** @param threads of a block; the grid is [x, y] blocks */
    template <typename Parameters>
    void launch(const char* kernel, const Parameters& parameters, std::size_t x, std::size_t y, unsigned int threads) {
        launchOf(kernel, &parameters, x, y, threads);
    }
    /** At least so many threads, of blocks of the usual size. */
    template <typename Parameters>
    void launch(const char* kernel, const Parameters& parameters, std::size_t threads) {
        launch(kernel, parameters, (threads + blockThreads - 1) / blockThreads, 1, blockThreads);
    }

    /** As the driver knows it. */
    void* handle() const { return stream_; }

    /** Where the kernels note the first failure. */
    FailureRecord* record() const { return reinterpret_cast<FailureRecord*>(record_.at()); }
    /** Waits for all before. @throws Failure where a kernel noted one */
    void finish();

  private:
    static constexpr std::size_t halfBytes = 4 << 20;

    struct Unopened {};
    Stream(std::shared_ptr<Gpu> gpu, Unopened);

    DevicePointer tableOf(std::span<const std::byte> values);
    DevicePointer scratchOf(std::size_t bytes);
    void launchOf(const char* kernel, const void* parameters, std::size_t x, std::size_t y, unsigned int threads);
    /** A place of up to halfBytes in the rings that no transfer uses any more. */
    std::size_t reserve(std::size_t bytes);
    void send(DevicePointer to, std::span<const std::byte> values);
    void wait() const;

    std::shared_ptr<Gpu> gpu_;
    const Driver& driver_;
    Memory record_;
    /** Two halves used by turns, of the GPU for tables and pinned on the host for all that crosses the bus. */
    Memory ring_;
    std::byte* pinned_ = nullptr;
    unsigned int half_ = 0;
    std::size_t end_ = 0;
    void* left_[2] = {};  // events: when a half was left
    void* stream_ = nullptr;
    std::vector<std::unique_ptr<Memory>> scratch_;
    std::size_t scratchEnd_ = 0;  // in the last of them
    std::map<const std::byte*, std::unique_ptr<Memory>, std::less<>> arrays_;
};

/** Of a stream that the thread of its queue makes and takes down: a GPU may take seconds to start. Empty before and after. */
using StreamPlace = std::optional<Stream>;

}  // namespace fastsde::cuda
