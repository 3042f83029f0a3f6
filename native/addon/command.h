// Where a verb takes effect: here and now, or as a command of a queue.
#pragma once

#include <napi.h>

#include <concepts>
#include <memory>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include "../cuda/stream.h"
#include "../queue/queue.h"
#include "arguments.h"

namespace fastsde::addon {

/**
 * A verb on its way. For a queue, arrays must lie in memory that it holds, and small inputs are copied, so that the caller may
 * change them at once.
 */
class Command {
  public:
    /** @param queue the number of one, or undefined: here and now */
    explicit Command(const Napi::Value& queue);

    /** Arrays that are read and written when the command takes effect. */
    Array state(const Napi::Value& value, const char* name) const;
    Array stateLike(const Napi::Value& value, const char* name, const Array& like) const;
    std::optional<Array> optionalStateLike(const Napi::Value& value, const char* name, const Array& like) const;
    std::span<float> floats(const Napi::Value& value, const char* name) const;
    std::span<double> doubles(const Napi::Value& value, const char* name) const;
    std::span<std::int32_t> integers(const Napi::Value& value, const char* name) const;
    std::span<std::uint8_t> bytes(const Napi::Value& value, const char* name) const;
    std::span<std::uint16_t> halves(const Napi::Value& value, const char* name) const;
    std::span<std::byte> rawBytes(const Napi::Value& value, const char* name) const;

    /** Small inputs. */
    std::span<const double> table(const Napi::Value& value, const char* name);
    std::span<const std::size_t> rows(const Napi::Value& value, const char* name, std::size_t limit);
    Noise noise(const Napi::Value& address, const Napi::Value& samples, const Shape& shape);

    /** A copy that lasts as long as the command. */
    template <typename T>
    std::span<const T> keep(std::vector<T> values) {
        auto kept = std::make_shared<const std::vector<T>>(std::move(values));
        const std::span<const T> span(*kept);
        kept_.push_back(std::move(kept));
        return span;
    }

    /** @param tag above 0 for what can fail on a queue @throws std::length_error where the arrays are on a GPU */
    template <typename Work>
    void run(Work work, double tag = 0) {
        if (queue_ == nullptr) return work();
        if (stream_ != nullptr) throw std::length_error("a GPU does not do this");
        queue_->post(tag, [kept = std::move(kept_), work = std::move(work)] { work(); });
    }

    /** @param onGpu gives the commands to a stream, where the arrays are on a GPU */
    template <typename Work, typename OnGpu>
        requires std::invocable<OnGpu, cuda::Stream&>
    void run(Work work, OnGpu onGpu, double tag = 0) {
        if (stream_ == nullptr) return run(std::move(work), tag);
        queue_->post(tag, [kept = std::move(kept_), onGpu = std::move(onGpu), place = stream_] {
            cuda::Stream& stream = place->value();
            stream.begin();
            onGpu(stream);
        });
    }

    /** What the host does in any case: arrays that are on a GPU go there and back. */
    template <typename Work>
    void runOnHost(std::vector<Array> reads, std::vector<Array> written, Work work) {
        const auto bytes = [](const Array& array) { return array.size * (array.isDouble ? sizeof(double) : sizeof(float)); };
        run(work, [=](cuda::Stream& stream) {
            for (const Array& array : reads) stream.download(array.data, bytes(array));
            work();
            for (const Array& array : written) stream.upload(array.data, bytes(array));
        });
    }

  private:
    template <typename T>
    std::span<T> held(std::span<T> values, const char* name) const;

    Queue* queue_ = nullptr;
    cuda::StreamPlace* stream_ = nullptr;  // of the queue, where its arrays are on a GPU
    std::vector<std::shared_ptr<const void>> kept_;
};

}  // namespace fastsde::addon
