#include "verbs.h"

#include <span>
#include <stdexcept>
#include <vector>

#include "../cuda/operations.h"
#include "arguments.h"
#include "command.h"

namespace fastsde::addon {

void diffuse(const Napi::CallbackInfo& info) {
    Command command(info[0]);
    const std::span x = command.floats(info[1], "x");
    const std::span coefficients = command.table(info[8], "coefficients");
    requireLength(coefficients.size() % 4, 0, "rest of coefficients");
    const Shape shape = shapeOf(x.size(), coefficients.size() / 4);
    std::span<float> target;
    if (!info[2].IsUndefined()) {
        target = command.floats(info[2], "target");
        requireLength(target.size(), x.size(), "target");
    }
    const double low = number(info[4], "low"), high = number(info[5], "high");
    CleanData data{nullptr, nullptr, low, high, {}, 1};
    if (info[3].IsTypedArray() && info[3].As<Napi::TypedArray>().TypedArrayType() == napi_uint8_array) {
        const std::span x0 = command.bytes(info[3], "x0");
        requireLength(x0.size(), x.size(), "x0");
        data.bytes = x0.data();
    } else {
        const std::span x0 = command.floats(info[3], "x0");
        requireLength(x0.size(), x.size(), "x0");
        data.floats = x0.data();
    }
    if (!info[6].IsUndefined()) {
        const double width = number(info[7], "width");
        data.flips = command.bytes(info[6], "flips");
        requireLength(data.flips.size(), shape.count, "flips");
        if (!(width >= 1 && width <= static_cast<double>(shape.size)) ||
            shape.size % static_cast<std::size_t>(width) != 0)
            throw std::length_error("width must divide the sample");
        data.width = static_cast<std::size_t>(width);
    }
    const Noise z = command.noise(info[9], info[10], shape);
    float* const wanted = target.empty() ? nullptr : target.data();
    command.run([=] { fastsde::diffuse(shape, x.data(), wanted, data, coefficients, z); },
                [=](cuda::Stream& stream) { cuda::diffuse(stream, shape, x.data(), wanted, data, coefficients, z); });
}

/**
 * Options: learning rate, beta1, beta2, epsilon, weight decay, gradient scale, step. With squares, which add up to the square of the
 * gradient's norm when the step is made, that norm is brought down to the scale where it is larger.
 */
void adamw(const Napi::CallbackInfo& info) {
    const std::vector<Napi::Value> list = elements(info[5], "averages");
    Command command(info[0]);
    const std::span p = command.floats(info[1], "parameters");
    const std::span g = command.floats(info[2], "gradients"), m = command.floats(info[3], "m"), v = command.floats(info[4], "v");
    for (const std::size_t length : {g.size(), m.size(), v.size()}) requireLength(length, p.size(), "tensor");
    const std::span decays = command.table(info[6], "decays"), options = command.table(info[7], "options");
    requireLength(decays.size(), list.size(), "decays");
    requireLength(options.size(), 7, "options");
    std::vector<Average> averages;
    for (std::size_t i = 0; i < list.size(); ++i) {
        const std::span average = command.floats(list[i], "average");
        requireLength(average.size(), p.size(), "average");
        averages.push_back({average.data(), decays[i]});
    }
    const AdamW step{options[0], options[1], options[2], options[3], options[4], options[5], options[6]};
    std::optional<std::span<const double>> squares;
    if (!info[8].IsUndefined()) squares = command.doubles(info[8], "squares");
    command.run([=] { fastsde::adamw(p, g.data(), m.data(), v.data(), step, averages, squares); },
                [=](cuda::Stream& stream) { cuda::adamw(stream, p, g.data(), m.data(), v.data(), step, averages, squares); });
}

void sumOfSquares(const Napi::CallbackInfo& info) {
    const std::vector<Napi::Value> list = elements(info[1], "tensors");
    Command command(info[0]);
    std::vector<std::span<const float>> tensors;
    for (const Napi::Value& tensor : list) tensors.push_back(command.floats(tensor, "tensor"));
    const std::span out = command.doubles(info[2], "out");
    requireLength(out.size(), 1, "out");
    command.run([=] { out[0] = fastsde::sumOfSquares(tensors); },
                [=](cuda::Stream& stream) { cuda::sumOfSquares(stream, tensors, out.data()); });
}

}  // namespace fastsde::addon
