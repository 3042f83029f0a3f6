// Typed arrays as the inputs and outputs of a network.
#pragma once

#include <napi.h>

#include <optional>
#include <utility>
#include <vector>

#include "../onnx/session.h"

namespace fastsde::addon {

/** Typed arrays that are values of a network, with what they hold. */
struct Given {
    Napi::Value array;
    onnx::Memory memory;
    bool isShared;  // no one can take the memory away
};

/** An output, with the memory that takes it where one is given. */
struct Target {
    std::size_t port;
    std::optional<Given> given;
};

struct Arguments {
    std::vector<std::pair<std::size_t, Given>> inputs;
    std::vector<Target> outputs;
};

/** @throws std::length_error where there is no such port */
std::size_t portNumber(std::int32_t port, const std::vector<onnx::Port>& ports);

/** (inputs, feeds, outputs, targets, shapes) of a call, from argument `at` on; shapes are concatenated as rank and sizes. */
Arguments argumentsOf(const Napi::CallbackInfo& info, std::size_t at, const onnx::Session& session);

}  // namespace fastsde::addon
