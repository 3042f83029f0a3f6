#include "mixtures.h"

#include <cmath>
#include <memory>
#include <stdexcept>
#include <vector>

#include "arguments.h"
#include "command.h"
#include "environment.h"

namespace fastsde::addon {
namespace {

template <typename T>
std::vector<T> copied(std::span<T> values) {
    return {values.begin(), values.end()};
}

/** A verb on a mixture, from (queue, mixture, x, levels, components). */
struct MixtureCommand {
    Command command;
    std::shared_ptr<const Mixture> mixture;
    MixtureRows rows;
    std::size_t count;
};

MixtureCommand commandOf(const Napi::CallbackInfo& info) {
    const auto& mixtures = Environment::of(info.Env()).mixtures;
    const auto found = mixtures.find(id(info[1], "mixture"));
    if (found == mixtures.end()) throw Napi::Error::New(info.Env(), "there is no such mixture");
    MixtureCommand parts{Command(info[0]), found->second, {}, 0};
    parts.rows.x = parts.command.state(info[2], "x");
    const std::size_t d = parts.mixture->dimension();
    requireLength(parts.rows.x.size % d, 0, "rest of x");
    parts.count = parts.rows.x.size / d;
    if (parts.count == 0) throw std::length_error("x has no points");
    parts.rows.levels = parts.command.table(info[3], "levels");
    requireLength(parts.rows.levels.size(), 2 * parts.count, "levels");
    if (info[4].IsUndefined()) return parts;
    const std::span<const std::int32_t> components =
        parts.command.keep(copied(integers(info[4], "components")));
    requireLength(components.size(), parts.count, "components");
    for (const std::int32_t component : components)
        if (component < -1 || component >= static_cast<std::int64_t>(parts.mixture->size()))
            throw std::length_error("there is no such component");
    parts.rows.components = components;
    return parts;
}

}  // namespace

Napi::Value makeMixture(const Napi::CallbackInfo& info) {
    const std::size_t dimension = count(info[0], "dimension", maxWord);
    const auto mixture = std::make_shared<const Mixture>(
        dimension, copied(doubles(info[1], "logWeights")), copied(doubles(info[2], "means")),
        integers(info[3], "ranks"), copied(doubles(info[4], "values")), copied(doubles(info[5], "bases")));
    Environment& environment = Environment::of(info.Env());
    environment.mixtures.emplace(++environment.lastMixture, mixture);
    return Napi::Number::New(info.Env(), environment.lastMixture);
}

/** Commands on their way keep it. */
void dropMixture(const Napi::CallbackInfo& info) {
    Environment::of(info.Env()).mixtures.erase(id(info[0], "mixture"));
}

void mixtureScore(const Napi::CallbackInfo& info) {
    MixtureCommand parts = commandOf(info);
    const Array out = parts.command.state(info[5], "out");
    requireLength(out.size, parts.rows.x.size, "out");
    parts.command.runOnHost({parts.rows.x}, {out}, [mixture = parts.mixture, rows = parts.rows, out] {
        fastsde::mixtureScore(*mixture, rows, out);
    });
}

void mixtureDivergence(const Napi::CallbackInfo& info) {
    MixtureCommand parts = commandOf(info);
    const std::span out = parts.command.doubles(info[5], "out");
    requireLength(out.size(), parts.count, "out");
    const Array rates{out.data(), out.size(), true};
    parts.command.runOnHost({parts.rows.x}, {rates}, [mixture = parts.mixture, rows = parts.rows, out] {
        fastsde::mixtureDivergence(*mixture, rows, out);
    });
}

void mixtureProduct(const Napi::CallbackInfo& info) {
    MixtureCommand parts = commandOf(info);
    const Array v = parts.command.state(info[5], "v"), out = parts.command.state(info[6], "out");
    requireLength(v.size, parts.rows.x.size, "v");
    requireLength(out.size, parts.rows.x.size, "out");
    parts.command.runOnHost({parts.rows.x, v}, {out}, [mixture = parts.mixture, rows = parts.rows, v, out] {
        fastsde::mixtureProduct(*mixture, rows, v, out);
    });
}

void mixturePosterior(const Napi::CallbackInfo& info) {
    MixtureCommand parts = commandOf(info);
    const std::span out = parts.command.doubles(info[5], "out");
    requireLength(out.size(), parts.count * parts.mixture->size(), "out");
    std::span<double> logDensity;
    if (!info[6].IsUndefined()) {
        logDensity = parts.command.doubles(info[6], "logDensity");
        requireLength(logDensity.size(), parts.count, "logDensity");
    }
    parts.command.run([mixture = parts.mixture, rows = parts.rows, out, logDensity] {
        fastsde::mixturePosterior(*mixture, rows, out, logDensity);
    });
}

}  // namespace fastsde::addon
