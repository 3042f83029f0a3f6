// A stream of the GPU for somebody else's work, such as that of ONNX Runtime, in order with the commands of queues.
#pragma once

#include <functional>
#include <memory>
#include <mutex>

#include "stream.h"

namespace fastsde::cuda {

class GuestStream {
  public:
    /** @throws DriverError */
    explicit GuestStream(std::shared_ptr<Gpu> gpu);
    ~GuestStream();
    GuestStream(const GuestStream&) = delete;
    GuestStream& operator=(const GuestStream&) = delete;

    /** As the driver knows it, and its runtime. */
    void* handle() const { return stream_; }

    /**
     * Does `work`, which gives commands to this stream: the GPU begins them after all that `queue` was given before, and goes on with `queue` after
     * them. The host waits for neither. One thread at a time; others wait.
     */
    void within(const Stream& queue, const std::function<void()>& work);

  private:
    void release();

    std::shared_ptr<Gpu> gpu_;
    const Driver& driver_;
    void* stream_ = nullptr;
    void* before_ = nullptr;  // events
    void* after_ = nullptr;
    std::mutex mutex_;
};

}  // namespace fastsde::cuda
