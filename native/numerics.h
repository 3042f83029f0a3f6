// Scalar arithmetic that gives the same bits on every instruction set and on CUDA: each function is one
// correctly rounded IEEE operation. Kernels use these where the order and the fusing of operations is part of
// the result.
#pragma once

#include <stddef.h>
#include <stdint.h>

#if defined(__CUDACC__)
#define FASTSDE_INLINE static __host__ __device__ __forceinline__
#else
#define FASTSDE_INLINE static inline __attribute__((always_inline))
#endif

// Placed before a loop whose iterations are independent although its pointers may be equal (in-place
// updates).
#if defined(__CUDACC__)
#define FASTSDE_INDEPENDENT
#define FASTSDE_UNROLL _Pragma("unroll")
#elif defined(__clang__)
#define FASTSDE_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#define FASTSDE_UNROLL _Pragma("clang loop unroll(full)")
#else
#define FASTSDE_INDEPENDENT _Pragma("GCC ivdep")
#define FASTSDE_UNROLL _Pragma("GCC unroll 20")
#endif

namespace fastsde {

#if defined(__CUDA_ARCH__)
FASTSDE_INLINE float multiply(float a, float b) { return __fmul_rn(a, b); }
FASTSDE_INLINE float add(float a, float b) { return __fadd_rn(a, b); }
FASTSDE_INLINE float multiplyAdd(float a, float b, float c) { return __fmaf_rn(a, b, c); }
FASTSDE_INLINE double multiply(double a, double b) { return __dmul_rn(a, b); }
FASTSDE_INLINE double add(double a, double b) { return __dadd_rn(a, b); }
FASTSDE_INLINE double multiplyAdd(double a, double b, double c) { return __fma_rn(a, b, c); }
FASTSDE_INLINE float squareRoot(float a) { return __fsqrt_rn(a); }
FASTSDE_INLINE double squareRoot(double a) { return __dsqrt_rn(a); }
FASTSDE_INLINE float magnitude(float a) { return fabsf(a); }
FASTSDE_INLINE double magnitude(double a) { return fabs(a); }
FASTSDE_INLINE float toFloat(int32_t a) { return __int2float_rn(a); }
FASTSDE_INLINE int32_t bitsOf(float a) { return __float_as_int(a); }
FASTSDE_INLINE float floatOf(int32_t a) { return __int_as_float(a); }
FASTSDE_INLINE int64_t bitsOf(double a) { return __double_as_longlong(a); }
FASTSDE_INLINE double doubleOf(int64_t a) { return __longlong_as_double(a); }
#else
FASTSDE_INLINE float multiply(float a, float b) { return a * b; }
FASTSDE_INLINE float add(float a, float b) { return a + b; }
FASTSDE_INLINE float multiplyAdd(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
FASTSDE_INLINE double multiply(double a, double b) { return a * b; }
FASTSDE_INLINE double add(double a, double b) { return a + b; }
FASTSDE_INLINE double multiplyAdd(double a, double b, double c) { return __builtin_fma(a, b, c); }
FASTSDE_INLINE float squareRoot(float a) { return __builtin_sqrtf(a); }
FASTSDE_INLINE double squareRoot(double a) { return __builtin_sqrt(a); }
FASTSDE_INLINE float magnitude(float a) { return __builtin_fabsf(a); }
FASTSDE_INLINE double magnitude(double a) { return __builtin_fabs(a); }
FASTSDE_INLINE float toFloat(int32_t a) { return static_cast<float>(a); }
FASTSDE_INLINE int32_t bitsOf(float a) { return __builtin_bit_cast(int32_t, a); }
FASTSDE_INLINE float floatOf(int32_t a) { return __builtin_bit_cast(float, a); }
FASTSDE_INLINE int64_t bitsOf(double a) { return __builtin_bit_cast(int64_t, a); }
FASTSDE_INLINE double doubleOf(int64_t a) { return __builtin_bit_cast(double, a); }
#endif

}  // namespace fastsde
