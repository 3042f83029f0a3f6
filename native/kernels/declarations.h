// Declares the kernels in the namespace of the instruction set that this object is compiled for
// (FASTSDE_ISA).
#pragma once

#include "table.h"

namespace fastsde::FASTSDE_ISA {

void normal(const NoiseKey& key, uint64_t first, size_t n, float* out);
void uniform(const NoiseKey& key, uint64_t first, size_t n, float* out);
void rademacher(const NoiseKey& key, uint64_t first, size_t n, float* out);
void widen(const float* in, size_t n, double* out);

void affine(float* out, float* mean, const float* const* operands, const float* c, size_t count, float cz,
            const float* z, size_t n);
void accumulateFloat(double* sum, double c, const float* x, size_t n);
void accumulateDouble(double* sum, double c, const double* x, size_t n);
void addNoise(double* sum, double cz, const float* z, size_t n);

extern const LangevinKernels<float, float> langevinFloat;
extern const LangevinKernels<double, float> langevinMixed;
extern const LangevinKernels<double, double> langevinDouble;

double dot(const float* a, const float* b, size_t n);
double dotDouble(const double* a, const double* b, size_t n);
double dotMixed(const double* a, const float* b, size_t n);

void clip(float* x, float low, float high, size_t n);
void clipDouble(double* x, double low, double high, size_t n);

double scaledSquares(const double* error, const double* before, const double* after, double atol, double rtol,
                     size_t n);

void replace(float* x, const float* y, const float* mask, float alpha, float sigma, const float* z, size_t n);
void replaceInBasis(float* x, const float* y, const float* mask, const float* basis, size_t channels,
                    size_t stride, float alpha, float sigma, const float* z, size_t n);

void toBytes(const float* x, float scale, float shift, uint8_t* out, size_t n);
void fromBytes(const uint8_t* bytes, float scale, float shift, float* out, size_t n);

void diffuse(float* x, float* target, const float* x0, const float* z, const Diffusion& at, size_t n);
void mirror(const float* in, float* out, size_t n);
void mirrorBytes(const uint8_t* bytes, float scale, float shift, float* out, size_t n);

void adamw(float* p, const float* g, float* m, float* v, const AdamWStep& step, size_t n);
void average(float* mean, const float* p, float decay, size_t n);

}  // namespace fastsde::FASTSDE_ISA
