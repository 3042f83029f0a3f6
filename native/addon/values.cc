#include "values.h"

#include <cmath>
#include <stdexcept>

#include "arguments.h"

namespace fastsde::addon {
namespace {

using onnx::ElementType;
using onnx::Port;

/** The numbers of ONNX for the kinds of typed arrays; 16 bits without sign hold float16. */
ElementType elementTypeOf(napi_typedarray_type type, ElementType declared) {
    switch (type) {
        case napi_float32_array:
            return ElementType::float32;
        case napi_float64_array:
            return ElementType::float64;
        case napi_int8_array:
            return ElementType::int8;
        case napi_int16_array:
            return ElementType::int16;
        case napi_int32_array:
            return ElementType::int32;
        case napi_uint32_array:
            return ElementType::uint32;
        case napi_bigint64_array:
            return ElementType::int64;
        case napi_biguint64_array:
            return ElementType::uint64;
        case napi_uint16_array:
            return declared == ElementType::uint16 ? declared : ElementType::float16;
        default:
            return declared == ElementType::boolean ? declared : ElementType::uint8;
    }
}

/** Reads shapes, concatenated as rank and sizes. */
class Shapes {
  public:
    explicit Shapes(std::span<const double> words) : words_(words) {}

    std::vector<std::int64_t> next() {
        std::vector<std::int64_t> shape(static_cast<std::size_t>(word(64)));
        for (std::int64_t& size : shape) size = word(9007199254740991.0);
        return shape;
    }

  private:
    std::int64_t word(double most) {
        if (at_ == words_.size()) throw std::length_error("the shapes end too early");
        const double word = words_[at_++];
        if (!(word >= 0 && word <= most) || word != std::floor(word))
            throw std::length_error("a shape must be of sizes");
        return static_cast<std::int64_t>(word);
    }

    std::span<const double> words_;
    std::size_t at_ = 0;
};

Given given(const Napi::Value& array, const Port& port, std::vector<std::int64_t> shape) {
    napi_typedarray_type type{};
    std::size_t length = 0;
    void* data = nullptr;
    bool isTypedArray = false;
    napi_is_typedarray(array.Env(), array, &isTypedArray);
    if (!isTypedArray || napi_get_typedarray_info(array.Env(), array, &type, &length, &data, nullptr, nullptr) != napi_ok)
        throw Napi::TypeError::New(array.Env(), "the value of \"" + port.name + "\" must be a typed array");
    std::size_t elements = 1;
    for (const std::int64_t size : shape)
        if (__builtin_mul_overflow(elements, static_cast<std::size_t>(size), &elements))
            throw std::length_error("the shape of \"" + port.name + "\" is too large");
    requireLength(length, elements, ("the value of \"" + port.name + "\"").c_str());
    const ElementType element = elementTypeOf(type, port.type);
    return {array, {data, length * onnx::bytesOf(element), element, std::move(shape)}, isShared(array)};
}

}  // namespace

std::size_t portNumber(std::int32_t port, const std::vector<Port>& ports) {
    if (port < 0 || static_cast<std::size_t>(port) >= ports.size())
        throw std::length_error("the session has no such input or output");
    return static_cast<std::size_t>(port);
}

Arguments argumentsOf(const Napi::CallbackInfo& info, std::size_t at, const onnx::Session& session) {
    const std::vector<Napi::Value> feeds = elements(info[at + 1], "feeds"),
                                   targets = elements(info[at + 3], "targets");
    const std::span<const std::int32_t> inputs = integers(info[at], "inputs"),
                                        outputs = integers(info[at + 2], "outputs");
    requireLength(inputs.size(), feeds.size(), "inputs");
    requireLength(outputs.size(), targets.size(), "outputs");
    Shapes shapes(doubles(info[at + 4], "shapes"));
    Arguments arguments;
    for (std::size_t i = 0; i < feeds.size(); ++i) {
        const std::size_t port = portNumber(inputs[i], session.inputs());
        arguments.inputs.emplace_back(port, given(feeds[i], session.inputs()[port], shapes.next()));
    }
    for (std::size_t i = 0; i < targets.size(); ++i) {
        const std::size_t port = portNumber(outputs[i], session.outputs());
        Target target{port, std::nullopt};
        if (!targets[i].IsUndefined()) target.given = given(targets[i], session.outputs()[port], shapes.next());
        arguments.outputs.push_back(std::move(target));
    }
    return arguments;
}

}  // namespace fastsde::addon
