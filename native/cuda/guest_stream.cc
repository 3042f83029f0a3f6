#include "guest_stream.h"

namespace fastsde::cuda {

GuestStream::GuestStream(std::shared_ptr<Gpu> gpu) : gpu_(std::move(gpu)), driver_(gpu_->driver()) {
    gpu_->use();
    try {
        driver_.check(driver_.cuStreamCreate(&stream_, nonBlocking), "make a stream");
        driver_.check(driver_.cuEventCreate(&before_, disableTiming), "make an event");
        driver_.check(driver_.cuEventCreate(&after_, disableTiming), "make an event");
    } catch (...) {
        release();
        throw;
    }
}

GuestStream::~GuestStream() {
    if (driver_.cuCtxSetCurrent(gpu_->context()) == 0) release();  // else the process ends, and the driver with it
}

void GuestStream::release() {
    if (after_ != nullptr) driver_.cuEventDestroy_v2(after_);
    if (before_ != nullptr) driver_.cuEventDestroy_v2(before_);
    if (stream_ == nullptr) return;
    driver_.cuStreamSynchronize(stream_);
    driver_.cuStreamDestroy_v2(stream_);
}

void GuestStream::within(const Stream& queue, const std::function<void()>& work) {
    const std::lock_guard lock(mutex_);
    driver_.check(driver_.cuEventRecord(before_, queue.handle()), "record an event");
    driver_.check(driver_.cuStreamWaitEvent(stream_, before_, 0), "wait for an event");
    work();
    driver_.check(driver_.cuEventRecord(after_, stream_), "record an event");
    driver_.check(driver_.cuStreamWaitEvent(queue.handle(), after_, 0), "wait for an event");
}

}  // namespace fastsde::cuda
