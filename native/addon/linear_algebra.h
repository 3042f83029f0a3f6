// Linear algebra as functions of the addon; the first argument is the number of a queue, or undefined: here and now.
#pragma once

#include <napi.h>

namespace fastsde::addon {

void multiply(const Napi::CallbackInfo& info);
void factorize(const Napi::CallbackInfo& info);
void invertTriangular(const Napi::CallbackInfo& info);
void eigen(const Napi::CallbackInfo& info);

}  // namespace fastsde::addon
