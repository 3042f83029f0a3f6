#include "stream.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "image.h"

namespace fastsde::cuda {
namespace {

constexpr int majorCapability = 75, minorCapability = 76;  // attributes of a device
constexpr int outOfMemory = 2;
constexpr std::size_t alignment = 256;

std::size_t aligned(std::size_t bytes) { return (bytes + alignment - 1) / alignment * alignment; }

std::string megabytes(std::size_t bytes) { return std::to_string((bytes + (1 << 20) - 1) >> 20) + " MiB"; }

/** Elements of a device's name. */
constexpr int nameLength = 256;

}  // namespace

bool hasKernels() { return image() != nullptr; }

std::shared_ptr<Gpu> Gpu::get() {
    static std::mutex mutex;
    static std::weak_ptr<Gpu> known;
    const std::lock_guard lock(mutex);
    std::shared_ptr<Gpu> gpu = known.lock();
    if (gpu == nullptr) known = gpu = std::make_shared<Gpu>();
    return gpu;
}

Gpu::Gpu() : driver_(Driver::get()) {
    if (!hasKernels() && !driver_.isEmulated)
        throw DriverError("this build of fastsde has no kernels for GPUs: compile it where nvcc is, by npm run build:native -- --cuda");
    int count = 0;
    driver_.check(driver_.cuDeviceGetCount(&count), "count its devices");
    if (count == 0) throw DriverError("the CUDA driver has no device");
    driver_.check(driver_.cuDeviceGet(&device_, 0), "open its first device");
    std::array<char, nameLength> name{};
    driver_.check(driver_.cuDeviceGetName(name.data(), nameLength, device_), "name its first device");
    name_ = name.data();
    int major = 0, minor = 0;
    driver_.check(driver_.cuDeviceGetAttribute(&major, majorCapability, device_), "describe its first device");
    driver_.check(driver_.cuDeviceGetAttribute(&minor, minorCapability, device_), "describe its first device");
    if (major < 8)
        throw DriverError(name_ + " has compute capability " + std::to_string(major) + "." + std::to_string(minor) +
                          ", and 8.0 is needed");
    driver_.check(driver_.cuDevicePrimaryCtxRetain(&context_, device_), "make a context");
    try {
        use();
        driver_.check(driver_.cuModuleLoadData(&module_, image()), "load the kernels");
    } catch (...) {
        driver_.cuDevicePrimaryCtxRelease_v2(device_);
        throw;
    }
}

Gpu::~Gpu() {
    driver_.cuCtxSetCurrent(context_);
    driver_.cuModuleUnload(module_);
    driver_.cuDevicePrimaryCtxRelease_v2(device_);
}

void Gpu::use() const { driver_.check(driver_.cuCtxSetCurrent(context_), "enter its context"); }

void* Gpu::kernel(const char* name) {
    const std::lock_guard lock(mutex_);
    const auto found = kernels_.find(name);
    if (found != kernels_.end()) return found->second;
    void* function = nullptr;
    driver_.check(driver_.cuModuleGetFunction(&function, module_, name), std::string("find the kernel ") + name);
    return kernels_[name] = function;
}

std::size_t Gpu::totalMemory() const {
    use();
    std::size_t free = 0, total = 0;
    driver_.check(driver_.cuMemGetInfo_v2(&free, &total), "say how much memory there is");
    return total;
}

Memory::Memory(Gpu& gpu, std::size_t bytes) : gpu_(gpu), bytes_(bytes) {
    gpu.use();
    const Driver& driver = gpu.driver();
    const int code = driver.cuMemAlloc_v2(&pointer_, std::max<std::size_t>(bytes, 1));
    std::size_t free = 0, total = 0;
    if (code == outOfMemory && driver.cuMemGetInfo_v2(&free, &total) == 0)
        throw DriverError("the GPU is out of memory: " + megabytes(bytes) + " were asked for, and of its " +
                          megabytes(total) + " " + megabytes(free) + " are free. A smaller batch takes less");
    driver.check(code, "give " + megabytes(bytes) + " of memory");
}

Memory::~Memory() {
    gpu_.driver().cuMemFree_v2(pointer_);
}

Stream::Stream(std::shared_ptr<Gpu> gpu, Unopened)
    : gpu_(std::move(gpu)), driver_(gpu_->driver()), record_(*gpu_, sizeof(FailureRecord)), ring_(*gpu_, 2 * halfBytes) {}

// Once the other constructor is done, the destructor gives back what was there before a call that failed.
Stream::Stream(std::shared_ptr<Gpu> gpu) : Stream(std::move(gpu), Unopened{}) {
    void* pinned = nullptr;
    driver_.check(driver_.cuMemAllocHost_v2(&pinned, 2 * halfBytes), "give pinned memory");
    pinned_ = static_cast<std::byte*>(pinned);
    driver_.check(driver_.cuStreamCreate(&stream_, nonBlocking), "make a stream");
    for (void*& event : left_) driver_.check(driver_.cuEventCreate(&event, disableTiming), "make an event");
    driver_.check(driver_.cuMemsetD8Async(record_.at(), 0, sizeof(FailureRecord), stream_), "clear memory");
}

Stream::~Stream() {
    try {
        gpu_->use();
    } catch (const DriverError&) {
        return;  // the process ends, and the driver with it
    }
    if (stream_ != nullptr) driver_.cuStreamSynchronize(stream_);
    for (void* event : left_)
        if (event != nullptr) driver_.cuEventDestroy_v2(event);
    if (stream_ != nullptr) driver_.cuStreamDestroy_v2(stream_);
    if (pinned_ != nullptr) driver_.cuMemFreeHost(pinned_);
}

void Stream::begin() {
    gpu_->use();
    if (scratch_.size() > 1) {  // one is enough from now on
        std::size_t bytes = 0;
        for (const auto& part : scratch_) bytes += part->size();
        wait();
        scratch_.clear();
        scratch_.push_back(std::make_unique<Memory>(*gpu_, bytes));
    }
    scratchEnd_ = 0;
}

void Stream::hold(const void* host, std::size_t bytes) {
    auto& known = arrays_[static_cast<const std::byte*>(host)];
    if (known != nullptr && known->size() >= bytes) return;
    auto memory = std::make_unique<Memory>(*gpu_, bytes);
    driver_.check(driver_.cuMemsetD8Async(memory->at(), 0, bytes, stream_), "clear memory");
    known = std::move(memory);
}

DevicePointer Stream::at(const void* host) const {
    const auto* address = static_cast<const std::byte*>(host);
    auto array = arrays_.upper_bound(address);
    if (array != arrays_.begin()) {
        --array;
        const auto offset = static_cast<std::size_t>(address - array->first);
        if (array->second != nullptr && offset <= array->second->size()) return array->second->at(offset);
    }
    throw DriverError("an array has no memory on the GPU");
}

std::size_t Stream::reserve(std::size_t bytes) {
    if (end_ + bytes > halfBytes) {
        driver_.check(driver_.cuEventRecord(left_[half_], stream_), "record an event");
        half_ ^= 1;
        end_ = 0;
        driver_.check(driver_.cuEventSynchronize(left_[half_]), "finish its work");
    }
    const std::size_t begin = half_ * halfBytes + end_;
    end_ = std::min(halfBytes, end_ + aligned(bytes));
    return begin;
}

void Stream::send(DevicePointer to, std::span<const std::byte> values) {
    for (std::size_t begin = 0; begin < values.size(); begin += halfBytes) {
        const std::span part = values.subspan(begin, std::min(halfBytes, values.size() - begin));
        std::byte* const place = pinned_ + reserve(part.size());
        std::memcpy(place, part.data(), part.size());
        driver_.check(driver_.cuMemcpyHtoDAsync_v2(to + begin, place, part.size(), stream_), "copy to the GPU");
    }
}

void Stream::write(const void* host, std::span<const std::byte> values) {
    if (!values.empty()) send(at(host), values);
}

void Stream::upload(const void* host, std::size_t bytes) {
    write(host, {static_cast<const std::byte*>(host), bytes});
}

void Stream::download(void* host, std::size_t bytes) {
    if (bytes == 0) return wait();
    const DevicePointer from = at(host);
    for (std::size_t begin = 0; begin < bytes; begin += halfBytes) {
        const std::size_t part = std::min(halfBytes, bytes - begin);
        std::byte* const place = pinned_ + reserve(part);
        driver_.check(driver_.cuMemcpyDtoHAsync_v2(place, from + begin, part, stream_), "copy from the GPU");
        wait();
        std::memcpy(static_cast<std::byte*>(host) + begin, place, part);
    }
}

void Stream::copy(const void* to, const void* from, std::size_t bytes) {
    if (bytes == 0) return;
    driver_.check(driver_.cuMemcpyDtoDAsync_v2(at(to), at(from), bytes, stream_), "copy on the GPU");
}

DevicePointer Stream::tableOf(std::span<const std::byte> values) {
    if (values.size() > halfBytes) {
        const DevicePointer place = scratchOf(values.size());
        send(place, values);
        return place;
    }
    const std::size_t place = reserve(values.size());
    std::memcpy(pinned_ + place, values.data(), values.size());
    driver_.check(driver_.cuMemcpyHtoDAsync_v2(ring_.at(place), pinned_ + place, values.size(), stream_),
                  "copy to the GPU");
    return ring_.at(place);
}

DevicePointer Stream::scratchOf(std::size_t bytes) {
    if (scratch_.empty() || scratchEnd_ + bytes > scratch_.back()->size()) {
        scratch_.push_back(std::make_unique<Memory>(*gpu_, aligned(bytes)));
        scratchEnd_ = 0;
    }
    const DevicePointer place = scratch_.back()->at(scratchEnd_);
    scratchEnd_ += aligned(bytes);
    return place;
}

void Stream::launchOf(const char* kernel, const void* parameters, std::size_t x, std::size_t y, unsigned int threads) {
    if (x == 0 || y == 0) return;
    if (x > INT32_MAX) throw DriverError(std::string("a batch is too large for the kernel ") + kernel);
    void* list[] = {const_cast<void*>(parameters)};
    const int code = driver_.cuLaunchKernel(gpu_->kernel(kernel), static_cast<unsigned int>(x), static_cast<unsigned int>(y),
                                            1, threads, 1, 1, 0, stream_, list, nullptr);
    if (code != 0) driver_.check(code, std::string("run the kernel ") + kernel);
}

void Stream::wait() const { driver_.check(driver_.cuStreamSynchronize(stream_), "finish its work"); }

void Stream::finish() {
    const std::size_t place = reserve(sizeof(FailureRecord));
    driver_.check(driver_.cuMemcpyDtoHAsync_v2(pinned_ + place, record_.at(), sizeof(FailureRecord), stream_),
                  "copy from the GPU");
    wait();
    FailureRecord record;
    std::memcpy(&record, pinned_ + place, sizeof record);
    if (record.tag != 0)
        throw Failure{record.tag, static_cast<std::size_t>(record.index),
                      "sample " + std::to_string(record.index) + " is not finite"};
}

}  // namespace fastsde::cuda
