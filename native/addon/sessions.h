// Sessions of ONNX Runtime for JavaScript: each has a thread of its own, on which its runs neither block the calling one nor
// are cut short by its end.
#pragma once

#include <napi.h>

namespace fastsde::addon {

Napi::Value openRuntime(const Napi::CallbackInfo& info);
Napi::Value loadLibraries(const Napi::CallbackInfo& info);
Napi::Value createSession(const Napi::CallbackInfo& info);
Napi::Value runSession(const Napi::CallbackInfo& info);
Napi::Value runSessionHere(const Napi::CallbackInfo& info);
void terminateCall(const Napi::CallbackInfo& info);
Napi::Value closeSession(const Napi::CallbackInfo& info);
void stopSessions(const Napi::CallbackInfo& info);

}  // namespace fastsde::addon
