#include "command.h"

#include <stdexcept>
#include <string>

#include "environment.h"

namespace fastsde::addon {

Command::Command(const Napi::Value& queue) {
    if (queue.IsUndefined()) return;
    const Environment::QueueEntry& entry = Environment::of(queue.Env()).queue(id(queue, "queue"));
    queue_ = entry.queue.get();
    stream_ = entry.stream.get();
}

template <typename T>
std::span<T> Command::held(std::span<T> values, const char* name) const {
    if (queue_ != nullptr && !queue_->holds(values.data(), values.size_bytes()))
        throw std::length_error(std::string(name) + " does not lie in memory of the queue");
    return values;
}

Array Command::state(const Napi::Value& value, const char* name) const {
    const Array array = addon::state(value, name);
    const std::size_t width = array.isDouble ? sizeof(double) : sizeof(float);
    held(std::span(array.as<std::byte>(), array.size * width), name);
    return array;
}

Array Command::stateLike(const Napi::Value& value, const char* name, const Array& like) const {
    const Array array = state(value, name);
    if (array.isDouble != like.isDouble)
        throw Napi::TypeError::New(value.Env(), std::string(name) + " has another element type than the state");
    requireLength(array.size, like.size, name);
    return array;
}

std::optional<Array> Command::optionalStateLike(const Napi::Value& value, const char* name, const Array& like) const {
    if (value.IsUndefined()) return std::nullopt;
    return stateLike(value, name, like);
}

std::span<float> Command::floats(const Napi::Value& value, const char* name) const {
    return held(addon::floats(value, name), name);
}

std::span<double> Command::doubles(const Napi::Value& value, const char* name) const {
    return held(addon::doubles(value, name), name);
}

std::span<std::int32_t> Command::integers(const Napi::Value& value, const char* name) const {
    return held(addon::integers(value, name), name);
}

std::span<std::uint8_t> Command::bytes(const Napi::Value& value, const char* name) const {
    return held(addon::bytes(value, name), name);
}

std::span<std::uint16_t> Command::halves(const Napi::Value& value, const char* name) const {
    return held(addon::halves(value, name), name);
}

std::span<std::byte> Command::rawBytes(const Napi::Value& value, const char* name) const {
    return held(addon::rawBytes(value, name), name);
}

std::span<const double> Command::table(const Napi::Value& value, const char* name) {
    const std::span<const double> values = addon::doubles(value, name);
    return queue_ == nullptr ? values : keep(std::vector(values.begin(), values.end()));
}

std::span<const std::size_t> Command::rows(const Napi::Value& value, const char* name, std::size_t limit) {
    const std::span<const std::int32_t> list = addon::integers(value, name);
    // Copied in any case, since another thread could write in shared memory between the check and the use.
    std::vector<std::size_t> rows(list.begin(), list.end());
    for (const std::size_t row : rows)
        if (row >= limit) throw Napi::RangeError::New(value.Env(), "a row lies outside of the array");
    return keep(std::move(rows));
}

Noise Command::noise(const Napi::Value& address, const Napi::Value& samples, const Shape& shape) {
    Noise noise = addon::noise(address, samples, shape);
    if (queue_ != nullptr && !noise.samples.empty())
        noise.samples = keep(std::vector(noise.samples.begin(), noise.samples.end()));
    return noise;
}

}  // namespace fastsde::addon
