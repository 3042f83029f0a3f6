// Declares the kernels in the namespace of the instruction set that this object is compiled for
// (FASTSDE_ISA).
#pragma once

#include "table.h"

namespace fastsde::FASTSDE_ISA {

void normal(const NoiseKey& key, uint64_t first, size_t n, float* out);
void uniform(const NoiseKey& key, uint64_t first, size_t n, float* out);
void rademacher(const NoiseKey& key, uint64_t first, size_t n, float* out);
void widen(const float* in, size_t n, double* out);

void affine(const Combination& all, const double* rows, const float* z, size_t size, size_t samples);
void affineNormal(const Combination& all, const double* row, const NoiseKey& key, uint64_t chunk, size_t n);
void accumulateFloat(double* sum, double c, const float* x, size_t n);
void accumulateDouble(double* sum, double c, const double* x, size_t n);

void squares(const float* z, size_t size, size_t samples, double* out);
double noiseSquares(const NoiseKey& key, uint64_t chunk, size_t n);
double normalSquares(const NoiseKey& key, uint64_t chunk, size_t n, float* out);
void scoreSquares(const float* x, const float* f, const double* rows, size_t size, size_t samples,
                  double* out);
void scoreSquaresMixed(const double* x, const float* f, const double* rows, size_t size, size_t samples,
                       double* out);
void scoreSquaresDouble(const double* x, const double* f, const double* rows, size_t size, size_t samples,
                        double* out);

double dot(const float* a, const float* b, size_t n);
double dotDouble(const double* a, const double* b, size_t n);
double dotMixed(const double* a, const float* b, size_t n);

void displace(double* out, const double* x, const double* mean, double alpha, size_t n);
void products(double* out, const double* a, const double* b, size_t n);

void addNoise(float* x, const float* v, const float* z, float shift, float factor, size_t n);
void addNoiseDouble(double* x, const float* v, const float* z, float shift, float factor, size_t n);

void clip(float* x, float low, float high, size_t n);
void clipDouble(double* x, double low, double high, size_t n);

double scaledSquares(const double* error, const double* before, const double* after,
                     const ErrorMeasure& measure, size_t n);

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

void weightGradient(const WeightGradient& of, const float* x, const float* g, float* dw);
void silu(const float* x, float* y, size_t n);
void siluGradient(const float* dy, const float* x, float* dx, size_t n);
void groupNorm(const GroupNorm& of, const float* x, const float* gain, const float* offset, float* y,
               float* statistics);
void groupNormGradient(const GroupNorm& of, const GroupNormGradient& at);

void productTile(const double* a, const double* b, size_t terms, double* out);
void rotate(double* panel, const Rotation* rotations, size_t count);

}  // namespace fastsde::FASTSDE_ISA
