#include "arguments.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>

namespace fastsde::addon {
namespace {

struct View {
    napi_typedarray_type type;
    std::size_t length;
    void* data;
};

View view(const Napi::Value& value, const char* name, const char* expected) {
    View v{};
    if (napi_get_typedarray_info(value.Env(), value, &v.type, &v.length, &v.data, nullptr, nullptr) !=
        napi_ok)
        throw Napi::TypeError::New(value.Env(), std::string(name) + " must be a " + expected);
    return v;
}

template <typename T>
std::span<T> spanOf(const Napi::Value& value, const char* name, napi_typedarray_type type,
                    const char* expected) {
    const View v = view(value, name, expected);
    if (v.type != type) throw Napi::TypeError::New(value.Env(), std::string(name) + " must be a " + expected);
    return {static_cast<T*>(v.data), v.length};
}

/** keyOf, which the calls of a run have in common but for step and use: that of the last call is kept. */
NoiseKey keyLike(NoiseAddress address) {
    thread_local NoiseAddress last{};
    thread_local Words key = keyOf(last).key;
    const std::uint32_t step = std::exchange(address.step, 0), use = std::exchange(address.use, 0);
    if (std::memcmp(&address, &last, sizeof last) != 0) {
        last = address;
        key = keyOf(last).key;
    }
    return {key, step, use};
}

std::uint64_t sampleIndex(Napi::Env env, double index) {
    if (!(index >= 0 && index <= static_cast<double>(maxSample)) ||
        index != static_cast<double>(static_cast<std::uint64_t>(index)))
        throw Napi::RangeError::New(env, "sample indices must be integers from 0 to 2^53 - 1");
    return static_cast<std::uint64_t>(index);
}

}  // namespace

std::vector<Napi::Value> elements(const Napi::Value& list, const char* name) {
    const Napi::Env env = list.Env();
    if (!list.IsArray()) throw Napi::TypeError::New(env, std::string(name) + " must be an array");
    const Napi::Array array = list.As<Napi::Array>();
    const std::uint32_t count = array.Length();
    std::vector<Napi::Value> elements;
    elements.reserve(std::min(count, 64u));  // a list may lie about its length
    for (std::uint32_t i = 0; i < count; ++i) elements.push_back(array[i]);
    return elements;
}

double number(const Napi::Value& value, const char* name) {
    if (!value.IsNumber()) throw Napi::TypeError::New(value.Env(), std::string(name) + " must be a number");
    return value.As<Napi::Number>().DoubleValue();
}

std::size_t count(const Napi::Value& value, const char* name, std::size_t most) {
    const double count = number(value, name);
    if (!(count >= 1 && count <= static_cast<double>(most)))
        throw std::length_error(std::string(name) + " must be from 1 to " + std::to_string(most));
    return static_cast<std::size_t>(count);
}

std::string string(const Napi::Value& value, const char* name) {
    if (!value.IsString()) throw Napi::TypeError::New(value.Env(), std::string(name) + " must be a string");
    return value.As<Napi::String>().Utf8Value();
}

std::uint32_t id(const Napi::Value& value, const char* name) {
    const double id = number(value, name);
    return id >= 1 && id <= UINT32_MAX ? static_cast<std::uint32_t>(id) : 0;
}

std::span<std::byte> rawBytes(const Napi::Value& value, const char* name) {
    const View v = view(value, name, "typed array");
    std::size_t width = 1;
    switch (v.type) {
        case napi_int16_array:
        case napi_uint16_array:
            width = 2;
            break;
        case napi_int32_array:
        case napi_uint32_array:
        case napi_float32_array:
            width = 4;
            break;
        case napi_float64_array:
        case napi_bigint64_array:
        case napi_biguint64_array:
            width = 8;
            break;
        default:
            break;
    }
    return {static_cast<std::byte*>(v.data), v.length * width};
}

bool isShared(const Napi::Value& typedArray) {
    napi_value buffer{};
    bool isPlain = true;
    napi_get_typedarray_info(typedArray.Env(), typedArray, nullptr, nullptr, nullptr, &buffer, nullptr);
    napi_is_arraybuffer(typedArray.Env(), buffer, &isPlain);
    return !isPlain;
}

Array state(const Napi::Value& value, const char* name) {
    const View v = view(value, name, "Float32Array or Float64Array");
    if (v.type != napi_float32_array && v.type != napi_float64_array)
        throw Napi::TypeError::New(value.Env(),
                                   std::string(name) + " must be a Float32Array or Float64Array");
    return {v.data, v.length, v.type == napi_float64_array};
}

std::span<float> floats(const Napi::Value& value, const char* name) {
    return spanOf<float>(value, name, napi_float32_array, "Float32Array");
}

std::span<double> doubles(const Napi::Value& value, const char* name) {
    return spanOf<double>(value, name, napi_float64_array, "Float64Array");
}

std::span<std::int32_t> integers(const Napi::Value& value, const char* name) {
    return spanOf<std::int32_t>(value, name, napi_int32_array, "Int32Array");
}

std::span<std::uint16_t> halves(const Napi::Value& value, const char* name) {
    return spanOf<std::uint16_t>(value, name, napi_uint16_array, "Uint16Array");
}

std::span<std::uint8_t> bytes(const Napi::Value& value, const char* name) {
    return spanOf<std::uint8_t>(value, name, napi_uint8_array, "Uint8Array");
}

void requireLength(std::size_t length, std::size_t expected, const char* name) {
    if (length != expected)
        throw std::length_error(std::string(name) + " has length " + std::to_string(length) + " instead of " +
                                std::to_string(expected));
}

Shape shapeOf(std::size_t elements, std::size_t count) {
    if (count == 0 || elements == 0 || elements % count != 0)
        throw std::length_error(std::to_string(elements) + " elements are not " + std::to_string(count) +
                                " samples of equal size");
    return {count, elements / count};
}

Noise noise(const Napi::Value& address, const Napi::Value& samples, const Shape& shape) {
    const Napi::Env env = address.Env();
    const std::span words = spanOf<std::uint32_t>(address, "noise address", napi_uint32_array, "Uint32Array");
    requireLength(words.size(), 8, "noise address");
    const NoiseAddress parts{words[0], words[1], words[2], words[3], words[4], words[5], words[6], words[7]};
    Noise noise{keyLike(parts), 0, {}};
    if (samples.IsNumber()) {
        noise.first = sampleIndex(env, samples.As<Napi::Number>().DoubleValue());
    } else {
        noise.samples = doubles(samples, "samples");
        requireLength(noise.samples.size(), shape.count, "samples");
        for (const double index : noise.samples) sampleIndex(env, index);
    }
    if (!BatchNoise::addressable(noise, shape))
        throw Napi::RangeError::New(env,
                                    "(sample index + 1) * elements per sample must be below 2^64 - 2^12");
    return noise;
}

}  // namespace fastsde::addon
