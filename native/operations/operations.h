// The operations of fastsde on whole batches. Results do not depend on the instruction set, the number of
// threads, the size of the batch or how it was split. Lengths are the caller's duty (addon/ checks them).
#pragma once

#include "batch.h"

namespace fastsde {

/**
 * out = sum_j c[b][j] operands[j] + c[b][last] z, z standard normal if `noise`; mean = the same without z.
 * Coefficients are row-major [count][operands + 1]. `out` may be one of the operands.
 */
void affine(const Shape& shape, const Array& out, std::span<const Array> operands,
            std::span<const double> coefficients, const std::optional<Noise>& noise,
            const std::optional<Array>& mean);

enum class NormMode { batch, sample, sqrtD };

struct Langevin {
    Array x;                               // in place
    Array output;                          // F
    std::span<const double> coefficients;  // row-major [count][3] = p, q, factor
    NormMode norm;
    Noise noise;
    std::optional<Array> mean;  // receives x + e s
    std::span<double> steps;    // empty or [count]; receives e, which is 0 where r_s = 0
};

/**
 * Langevin corrector: with the score s = p x + q F, e = factor (r_z / r_s)^2, x = x + e s + sqrt(2 e) z, the
 * latter as (1 + e p) x + e q F + sqrt(2 e) z.
 */
void langevin(const Shape& shape, const Langevin& arguments);

/** out[b] = dot product of sample b of `a` and of `b`. */
void dots(const Shape& shape, const Array& a, const Array& b, std::span<double> out);

/** x += e^(shift + factor v) z, z standard normal; v as long as x, coefficients row-major [count][2] = shift, factor. */
void addNoise(const Shape& shape, const Array& x, const float* v, std::span<const double> coefficients, const Noise& noise);

/** Keeps x between the bounds, in place; NaN stays. */
void clip(const Array& x, double low, double high);

/** Scales every sample about the middle of [low, high] until the quantile of its distances from there lies within, and clips it. */
void threshold(const Shape& shape, const Array& x, double low, double high, double quantile);

/** Sample b of out = sample rows[b] of x, which is apart from out; shape is that of out. */
void gather(const Shape& shape, const Array& out, const Array& x, std::span<const std::size_t> rows);

/** Sample rows[b] of out = sample b of x, which is apart from out; shape is that of x, and no row stands twice. */
void scatter(const Shape& shape, const Array& out, const Array& x, std::span<const std::size_t> rows);

/** out = x, rounded to nearest where out is single and x double. */
void copy(const Array& out, const Array& x);

/** Sample b of x times factors[b], in double and then rounded, in place. */
void scale(const Shape& shape, float* x, std::span<const double> factors);

/**
 * Sample b of x = scale (shift + factor x / count) with row b of coefficients = scale, shift, factor; in place, each operation
 * rounded once.
 */
void traceRates(const Shape& shape, double* x, double count, std::span<const double> coefficients);

/** To half precision, as bits, rounded to nearest with ties to even, and back. */
void toHalf(std::span<const float> x, std::uint16_t* out);
void fromHalf(std::span<const std::uint16_t> halves, float* out);

/**
 * out[b] = the mean over sample b, or the largest, of (error / scale)^2, the scale being atol + rtol max(|before|,
 * |after|) or the larger of both terms. Terms are added in the order of the elements, each operation rounded
 * once, as the loop in plain JavaScript would.
 */
void scaledErrors(const Shape& shape, const double* error, const double* before, const double* after,
                  const ErrorMeasure& measure, std::span<double> out);

/**
 * Sample b of x times 1 + shares[b] (deviation of sample b of reference / deviation of sample b of x - 1), in place: with share 1 both
 * have one standard deviation. A sample of one value has none, and stays as it is.
 */
void matchSpread(const Shape& shape, const Array& x, const Array& reference, std::span<const double> shares);

/** Every row of x, of factors.size() elements, times the factors, element by element; in place. */
void weigh(std::span<double> x, std::span<const double> factors);

/** out[o][j][i] = sum_k matrix[j][k] x[o][k][i], with `inner` elements i, for a row-major matrix with `columns` columns. */
void multiplyAxis(std::span<double> out, std::span<const double> x, std::span<const double> matrix, std::size_t columns,
                  std::size_t inner);

/**
 * A step of Arnoldi's iteration in a space for each row: vector `index` of vectors [blocks][rows][size] is made orthogonal to those
 * before it, and of norm 1. Column `index` of its row, columns [blocks][rows][blocks], receives its parts along them and the norm of
 * the rest: where that is rounding alone, the norm and the vector are 0.
 */
void orthonormalize(std::span<double> vectors, std::span<double> columns, std::size_t rows, std::size_t blocks,
                    std::size_t index);

/**
 * out [rows][size] = sum_j c_j images [j][row], with the c that minimise |b - M sum_j c_j v_j| where the columns are those of the v_j
 * by {@link orthonormalize}, b having been vector 0 and M v_j vector j + 1.
 */
void leastResiduals(std::span<double> out, std::span<const double> images, std::span<const double> columns,
                    std::size_t rows, std::size_t blocks);

enum class Distribution { normal, uniform, rademacher };

void fill(const Shape& shape, const Array& out, Distribution distribution, const Noise& noise);

/**
 * Where mask (one sample, 0 or not) is set, replaces the coordinate of x by alpha y + sigma z, coordinates
 * being those of basis^T x per pixel (`basis`: row-major [channels][channels], empty for none). Coefficients:
 * [count][2] = alpha, sigma.
 */
void projectMeasurement(const Shape& shape, float* x, const float* y, const float* mask,
                        std::span<const double> coefficients, const Noise& noise,
                        std::span<const float> basis, std::size_t channels);

/** Floats in [low, high] to bytes (rounded to nearest, ties to even; clamped; NaN gives 0) and back. */
void toBytes(std::span<const float> x, double low, double high, std::uint8_t* out);
void fromBytes(std::span<const std::uint8_t> bytes, double low, double high, float* out);

/** Training data: floats, or bytes that stand for low + (high - low) byte / 255 where `bytes` is not null. */
struct CleanData {
    const float* floats;
    const std::uint8_t* bytes;
    double low, high;
    std::span<const std::uint8_t>
        flips;  // empty, or per sample: not 0 where its rows of `width` are mirrored
    std::size_t width;
};

/**
 * x = a x0 + b z and, unless it is null, target = c x0 + d z, z standard normal. Coefficients: [count][4] =
 * a, b, c, d.
 */
void diffuse(const Shape& shape, float* x, float* target, const CleanData& data,
             std::span<const double> coefficients, const Noise& noise);

struct AdamW {
    double learningRate, beta1, beta2, epsilon, weightDecay;
    double gradientScale;  // of global-norm clipping; 1 for none
    double step;           // 1 for the first: bias correction
};

/** A moving average of the parameters: values = decay values + (1 - decay) p. */
struct Average {
    float* values;
    double decay;
};

/** The scalars of the kernels. */
AdamWStep stepOf(const AdamW& options);

/**
 * One step of AdamW and of the averages, in place, in one pass over memory. With squares, which add up to the square of the gradient's
 * norm, that norm is brought down to the gradient scale where it is larger.
 */
void adamw(std::span<float> parameters, const float* gradients, float* firstMoments, float* secondMoments,
           const AdamW& options, std::span<const Average> averages, const std::optional<std::span<const double>>& squares);

/** Sum over all tensors of the squares of their elements, in double, in a fixed order. */
double sumOfSquares(std::span<const std::span<const float>> tensors);

}  // namespace fastsde
