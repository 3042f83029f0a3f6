// Mixtures of Gaussians as functions of the addon.
#pragma once

#include <napi.h>

namespace fastsde::addon {

Napi::Value makeMixture(const Napi::CallbackInfo& info);
void dropMixture(const Napi::CallbackInfo& info);
void mixtureScore(const Napi::CallbackInfo& info);
void mixtureDivergence(const Napi::CallbackInfo& info);
void mixtureProduct(const Napi::CallbackInfo& info);
void mixturePosterior(const Napi::CallbackInfo& info);

}  // namespace fastsde::addon
