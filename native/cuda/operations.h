// The operations of native/operations on a stream: the same arguments and the same bits. Arrays are known by their addresses on the
// host, small inputs lie there.
#pragma once

#include "../operations/operations.h"
#include "stream.h"

namespace fastsde::cuda {

void affine(Stream& stream, const Shape& shape, const Array& out, std::span<const Array> operands,
            std::span<const double> coefficients, const std::optional<Noise>& noise, const std::optional<Array>& mean);
void langevin(Stream& stream, const Shape& shape, const Langevin& arguments);
void dots(Stream& stream, const Shape& shape, const Array& a, const Array& b, std::span<double> out);
/** Notes the tag and the first sample that is not finite, which Stream::finish() then throws. */
void requireFinite(Stream& stream, const Shape& shape, const Array& x, double tag);
void addNoise(Stream& stream, const Shape& shape, const Array& x, const float* v, std::span<const double> coefficients,
             const Noise& noise);
void clip(Stream& stream, const Array& x, double low, double high);
void threshold(Stream& stream, const Shape& shape, const Array& x, double low, double high, double quantile);
void gather(Stream& stream, const Shape& shape, const Array& out, const Array& x, std::span<const std::size_t> rows);
void scatter(Stream& stream, const Shape& shape, const Array& out, const Array& x, std::span<const std::size_t> rows);
void copy(Stream& stream, const Array& out, const Array& x);
void toHalf(Stream& stream, std::span<const float> x, std::uint16_t* out);
void fromHalf(Stream& stream, std::span<const std::uint16_t> halves, float* out);
void scale(Stream& stream, const Shape& shape, float* x, std::span<const double> factors);
void traceRates(Stream& stream, const Shape& shape, double* x, double count, std::span<const double> coefficients);
void scaledErrors(Stream& stream, const Shape& shape, const double* error, const double* before, const double* after,
                  const ErrorMeasure& measure, std::span<double> out);
void matchSpread(Stream& stream, const Shape& shape, const Array& x, const Array& reference, std::span<const double> shares);
void fill(Stream& stream, const Shape& shape, const Array& out, Distribution distribution, const Noise& noise);
void projectMeasurement(Stream& stream, const Shape& shape, float* x, const float* y, const float* mask,
                        std::span<const double> coefficients, const Noise& noise, std::span<const float> basis,
                        std::size_t channels);
void weigh(Stream& stream, std::span<double> x, std::span<const double> factors);
void multiplyAxis(Stream& stream, std::span<double> out, std::span<const double> x, std::span<const double> matrix,
                  std::size_t columns, std::size_t inner);
void orthonormalize(Stream& stream, std::span<double> vectors, std::span<double> columns, std::size_t rows, std::size_t blocks,
                    std::size_t index);
void leastResiduals(Stream& stream, std::span<double> out, std::span<const double> images, std::span<const double> columns,
                    std::size_t rows, std::size_t blocks);
void diffuse(Stream& stream, const Shape& shape, float* x, float* target, const CleanData& data,
             std::span<const double> coefficients, const Noise& noise);
void adamw(Stream& stream, std::span<float> parameters, const float* gradients, float* firstMoments, float* secondMoments,
           const AdamW& options, std::span<const Average> averages, const std::optional<std::span<const double>>& squares);
void sumOfSquares(Stream& stream, std::span<const std::span<const float>> tensors, double* out);

}  // namespace fastsde::cuda
