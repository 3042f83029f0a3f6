// Queues for JavaScript: commands that take effect in order on a thread of their own, and promises of having got so far.
#pragma once

#include <napi.h>

namespace fastsde::addon {

Napi::Value openQueue(const Napi::CallbackInfo& info);
Napi::Value gpuInfo(const Napi::CallbackInfo& info);
void hold(const Napi::CallbackInfo& info);
Napi::Value bindRun(const Napi::CallbackInfo& info);
void runBound(const Napi::CallbackInfo& info);
void follow(const Napi::CallbackInfo& info);
Napi::Value settle(const Napi::CallbackInfo& info);
void cancelQueue(const Napi::CallbackInfo& info);
Napi::Value closeQueue(const Napi::CallbackInfo& info);

}  // namespace fastsde::addon
