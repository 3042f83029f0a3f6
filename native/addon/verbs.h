// The operations on batches as functions of the addon. The first argument of those that a queue can do is its number, or undefined:
// here and now.
#pragma once

#include <napi.h>

namespace fastsde::addon {

void affine(const Napi::CallbackInfo& info);
void langevin(const Napi::CallbackInfo& info);
void dots(const Napi::CallbackInfo& info);
void requireFinite(const Napi::CallbackInfo& info);
void addNoise(const Napi::CallbackInfo& info);
void clip(const Napi::CallbackInfo& info);
void threshold(const Napi::CallbackInfo& info);
void download(const Napi::CallbackInfo& info);
void write(const Napi::CallbackInfo& info);
void copy(const Napi::CallbackInfo& info);
void traceRates(const Napi::CallbackInfo& info);
void scale(const Napi::CallbackInfo& info);
void gather(const Napi::CallbackInfo& info);
void scatter(const Napi::CallbackInfo& info);
void scaledErrors(const Napi::CallbackInfo& info);
void matchSpread(const Napi::CallbackInfo& info);
void fill(const Napi::CallbackInfo& info);
void projectMeasurement(const Napi::CallbackInfo& info);
void diffuse(const Napi::CallbackInfo& info);
void adamw(const Napi::CallbackInfo& info);
void stamp(const Napi::CallbackInfo& info);
void sumOfSquares(const Napi::CallbackInfo& info);
void weigh(const Napi::CallbackInfo& info);
void multiplyAxis(const Napi::CallbackInfo& info);
void orthonormalize(const Napi::CallbackInfo& info);
void leastResiduals(const Napi::CallbackInfo& info);
void toBytes(const Napi::CallbackInfo& info);
void fromBytes(const Napi::CallbackInfo& info);

}  // namespace fastsde::addon
