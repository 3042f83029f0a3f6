// Operators of our own for sessions: what ONNX Runtime would make of several passes over memory.
#pragma once

#include "functions.h"

namespace fastsde::onnx {

/**
 * The domain "fastsde", version 1, made once for the process. All tensors are float32; images are [N, C, ...]; gain and offset
 * have C elements, or N times C; `block` is the number of channels that lie side by side, or 1.
 *
 * - SiLU(x) -> y and SiLUGradient(dy, x) -> dx
 * - GroupNormalization(x, gain, offset; groups, epsilon, silu, block) -> y, statistics [N, groups, 2]
 * - GroupNormalizationGradient(dy, x, gain, offset, statistics; the same) -> dx, dgain and doffset [N, C, 1, ...]
 * - ConvolutionWeightGradient(x, g; block, inBlocks, filters, kernelHeight, kernelWidth, strideY, strideX, dilationY, dilationX, top,
 *   left) -> dw [filters, C, kernelHeight, kernelWidth] of a convolution with so many zeros before x, whose cotangent g is in blocks
 *
 * @throws RuntimeError where ONNX Runtime refuses them. The library must be open.
 */
Operators* operators();

}  // namespace fastsde::onnx
