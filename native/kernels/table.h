// The kernels of one instruction set: loops over contiguous elements of one array each, single-threaded, any
// alignment. Where a sample begins, which coefficients hold and what is split over threads is decided above
// them (operations/).
#pragma once

#include "../limits.h"
#include "../noise.h"

namespace fastsde {

/** The scalars of one AdamW step. */
struct AdamWStep {
    float beta1, beta2;
    float epsilon;
    float gradientScale;  // of global-norm clipping
    float rate;           // learning rate / (1 - beta1^t)
    float rootScale;      // 1 / sqrt(1 - beta2^t)
    float decay;          // learning rate * weight decay
};

/** x = a x0 + b z and target = c x0 + d z. */
struct Diffusion {
    float a, b, c, d;
};

/** The arrays of a sum of coefficients times operands; mean may be null, out may be an operand. */
struct Combination {
    float* out;
    float* mean;
    const float* x[maxOperands];
    size_t count;

    /** Goes on by n elements. */
    void advance(size_t n) {
        out += n;
        if (mean != nullptr) mean += n;
        for (size_t j = 0; j < count; ++j) x[j] += n;
    }
};

/** A rotation of the rows `row` and `row` + 1 of a matrix: x' = c x - s y and y' = s x + c y. */
struct Rotation {
    double cosine, sine;
    size_t row;
};

/** How the error of a step is measured against its tolerances. */
struct ErrorMeasure {
    double atol, rtol;
    bool larger;   // the tolerance of an element is the larger of both, not their sum
    bool largest;  // the error of a sample is that of its worst element, not the mean
};

/**
 * A convolution of images [batch, channels, height, width] to [batch, filters, outHeight, outWidth], as the gradient of its weights
 * [filters, channels, kernelHeight, kernelWidth] needs it.
 */
struct WeightGradient {
    size_t batch, channels, height, width;
    size_t filters, paddedFilters, outHeight, outWidth;  // the cotangent has padded ones
    size_t kernelHeight, kernelWidth, strideY, strideX, dilationY, dilationX;
    size_t top, left;  // zeros before the image
    size_t block;      // filters that lie side by side, 8 or 16, of which paddedFilters is a multiple
    bool inBlocks;     // channels lie in blocks, too, of which `channels` is a multiple
};

/** A group normalisation of an image of `channels` times `positions` elements. */
struct GroupNorm {
    size_t channels, groups, positions;
    size_t block;  // channels that lie side by side: 8 or 16, of which `channels` is a multiple; 1 for images in order
    float epsilon;
    bool silu;     // SiLU follows
    double* work;  // 2 * groups numbers
};

/** The arrays of its gradient; those of the image in its order, `statistics` as it wrote them. */
struct GroupNormGradient {
    const float *dy, *x, *gain, *offset, *statistics;
    float *dx, *dgain, *doffset;
};

/** Rows and columns of a tile of a matrix product, and columns of what is rotated at once. */
inline constexpr size_t productRows = 8, productColumns = 8, rotationColumns = 16;

/** Elements per partial sum of a norm or dot product; partial sums are added in order. */
inline constexpr size_t normBlock = 8192;

struct Kernels {
    const char* isa;
    // Normals of a batch up to which storing them for a second pass costs less than making them twice.
    size_t keptNormals;

    // Noise of the flat indices [first, first + n). Costs in docs/performance.md.
    void (*normal)(const NoiseKey& key, uint64_t first, size_t n, float* out);
    void (*uniform)(const NoiseKey& key, uint64_t first, size_t n, float* out);
    void (*rademacher)(const NoiseKey& key, uint64_t first, size_t n, float* out);
    void (*widen)(const float* in, size_t n, double* out);

    // out = sum_j c[j] x[j] + c[count] z; mean = the sum without z. Each of `samples` samples of `size`
    // elements has its row of count + 1 coefficients, which are rounded to float; z may be null.
    void (*affine)(const Combination& all, const double* rows, const float* z, size_t size, size_t samples);
    // The same for n elements of one row, with z made on the way: the normals from the beginning of a chunk
    // on.
    void (*affineNormal)(const Combination& all, const double* row, const NoiseKey& key, uint64_t chunk,
                         size_t n);

    // The same in double, in blocks: sum += c x over one operand at a time.
    void (*accumulateFloat)(double* sum, double c, const float* x, size_t n);
    void (*accumulateDouble)(double* sum, double c, const double* x, size_t n);

    // out[b] = sum of the squares of sample b of z.
    void (*squares)(const float* z, size_t size, size_t samples, double* out);
    // Sum of the squares of the n normals from the beginning of a chunk on, n at most normBlock. Whole pairs
    // of chunks by logarithms, the rest by squares. The second stores the normals too.
    double (*noiseSquares)(const NoiseKey& key, uint64_t chunk, size_t n);
    double (*normalSquares)(const NoiseKey& key, uint64_t chunk, size_t n, float* out);
    // out[b] = sum of the squares of the score p x + q F of sample b, p and q being the first of the three
    // numbers of its row. The order of a sum depends on the size of a sample alone.
    void (*scoreSquares)(const float* x, const float* f, const double* rows, size_t size, size_t samples,
                         double* out);
    void (*scoreSquaresMixed)(const double* x, const float* f, const double* rows, size_t size,
                              size_t samples, double* out);
    void (*scoreSquaresDouble)(const double* x, const double* f, const double* rows, size_t size,
                               size_t samples, double* out);

    // Dot products in double; the order depends on n alone.
    double (*dot)(const float* a, const float* b, size_t n);
    double (*dotDouble)(const double* a, const double* b, size_t n);
    double (*dotMixed)(const double* a, const float* b, size_t n);

    // out = x - alpha mean; out = a b, where out may be an operand.
    void (*displace)(double* out, const double* x, const double* mean, double alpha, size_t n);
    void (*products)(double* out, const double* a, const double* b, size_t n);

    // x += e^(shift + factor v) z.
    void (*addNoise)(float* x, const float* v, const float* z, float shift, float factor, size_t n);
    void (*addNoiseDouble)(double* x, const float* v, const float* z, float shift, float factor, size_t n);

    // x = min(max(x, low), high); NaN stays.
    void (*clip)(float* x, float low, float high, size_t n);
    void (*clipDouble)(double* x, double low, double high, size_t n);

    // (error / scale)^2 with a scale of atol + rtol max(|before|, |after|), or the larger of both terms: the sum,
    // one term after the other, or the largest.
    double (*scaledSquares)(const double* error, const double* before, const double* after,
                            const ErrorMeasure& measure, size_t n);

    // Linear measurements: x = alpha y + sigma z where mask is not 0.
    void (*replace)(float* x, const float* y, const float* mask, float alpha, float sigma, const float* z,
                    size_t n);
    // The same in the coordinates u = basis^T x over `channels` arrays `stride` elements apart; z has stride
    // n.
    void (*replaceInBasis)(float* x, const float* y, const float* mask, const float* basis, size_t channels,
                           size_t stride, float alpha, float sigma, const float* z, size_t n);

    // Images: byte = clamp(round(x * scale + shift)), ties to even, NaN gives 0; and x = byte * scale +
    // shift.
    void (*toBytes)(const float* x, float scale, float shift, uint8_t* out, size_t n);
    void (*fromBytes)(const uint8_t* bytes, float scale, float shift, float* out, size_t n);

    // Noised data and their target (which may be null), and x0 read backwards.
    void (*diffuse)(float* x, float* target, const float* x0, const float* z, const Diffusion& at, size_t n);
    void (*mirror)(const float* in, float* out, size_t n);
    void (*mirrorBytes)(const uint8_t* bytes, float scale, float shift, float* out, size_t n);

    // One AdamW step in place, and mean = decay mean + (1 - decay) p.
    void (*adamw)(float* p, const float* g, float* m, float* v, const AdamWStep& step, size_t n);
    void (*average)(float* mean, const float* p, float decay, size_t n);

    // out[channel, batch / block, outHeight, outWidth, block] = x[batch, channel, ...], with zeros around it.
    void (*weightGradient)(const WeightGradient& of, const float* x, const float* g, float* dw);

    // x sigmoid(x), and dy times its slope; in place too.
    void (*silu)(const float* x, float* y, size_t n);
    void (*siluGradient)(const float* dy, const float* x, float* dx, size_t n);
    // Of one sample; gain and offset have a number per channel, statistics the mean and 1 / sqrt(variance + epsilon) of
    // each group. dx may be neither dy nor x.
    void (*groupNorm)(const GroupNorm& of, const float* x, const float* gain, const float* offset, float* y,
                      float* statistics);
    void (*groupNormGradient)(const GroupNorm& of, const GroupNormGradient& at);

    // out = the sum over `terms` of a column of a times a row of b, which are packed: term k has productRows
    // numbers of a and productColumns of b.
    void (*productTile)(const double* a, const double* b, size_t terms, double* out);
    // Rotations, one after the other, of a panel with rows of rotationColumns numbers.
    void (*rotate)(double* panel, const Rotation* rotations, size_t count);
};

/** Elements per channel and call of `replaceInBasis`. */
inline constexpr size_t basisBlock = 256;

}  // namespace fastsde
