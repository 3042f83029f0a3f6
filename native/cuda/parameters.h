// What the kernels of a GPU take: one structure each, of plain values and pointers into device memory. Host and device share them.
#pragma once

#include "../kernels/table.h"

namespace fastsde::cuda {

/** Threads of a block, for kernels whose threads do not meet. */
inline constexpr unsigned int blockThreads = 256;
/** Threads of a warp, whose running sums are those of the CPU's sums. */
inline constexpr unsigned int warpThreads = 32;
/** Averages that one pass over the parameters updates. */
inline constexpr size_t maxAverages = 8;

struct Extent {
    size_t count, size;
};

/** Coefficients of the samples of a batch: a table with a row for each, or one row for all. */
struct Rows {
    const double* table;
    double row[maxOperands + 1];
};

/** The noise of a batch. */
struct NoiseSource {
    NoiseKey key;
    uint64_t first;         // global index of the first sample, if there is no list
    const double* samples;  // global index of each sample
};

struct AffineParameters {
    Extent extent;
    float* out;
    float* mean;  // or null
    const float* x[maxOperands];
    unsigned int operands;
    bool noisy;
    Rows rows;
    NoiseSource noise;
};

struct AffineDoubleParameters {
    Extent extent;
    double* out;
    double* mean;
    const void* x[maxOperands];
    unsigned int doubles;  // bit j: operand j is double
    unsigned int operands;
    bool noisy;
    Rows rows;
    NoiseSource noise;
};

struct FillParameters {
    Extent extent;
    void* out;
    bool isDouble;
    int distribution;  // 0 normal, 1 uniform, 2 Rademacher
    NoiseSource noise;
};

/** Sums of blocks of normBlock elements, [count, blocks]. */
struct DotsParameters {
    Extent extent;
    size_t blocks;
    const void* a;
    const void* b;
    double* out;
};

struct TotalsParameters {
    size_t count, blocks;
    const double* partial;
    double* out;
};

/** What ended the work of a stream: the tag of a command, 0 for none, and the sample at which it failed. */
struct FailureRecord {
    double tag;
    uint64_t index;
};

struct FiniteParameters {
    size_t count;
    const double* norms;
    double tag;
    FailureRecord* record;
};

struct LangevinNormsParameters {
    Extent extent;
    size_t blocks;
    const void* x;
    const void* output;
    bool needsNoise;
    Rows rows;  // p, q, factor
    NoiseSource noise;
    double* score;  // [count, blocks] each
    double* noises;
};

struct LangevinRowsParameters {
    Extent extent;
    size_t blocks;
    bool needsNoise;
    Rows rows;
    const double* score;
    const double* noises;
    double* out;    // [count, 3], those of x, F and z
    double* steps;  // [count], or null
};

struct AddNoiseParameters {
    Extent extent;
    void* x;
    const float* v;
    Rows rows;  // shift, factor
    NoiseSource noise;
};

struct ClipParameters {
    size_t count;
    void* x;
    double low, high;
};

struct ThresholdParameters {
    Extent extent;
    void* x;
    double middle, half;
    uint64_t rank;  // of the distance at or below the quantile
    double share;   // of the way to the next one
};

/** Rows of `words` words from row from[i] to row to[i]; a list that is null stands for all in order. */
struct RowsParameters {
    size_t count, words;
    void* out;
    const void* x;
    const uint64_t* to;
    const uint64_t* from;
};

struct ConvertParameters {
    size_t count;
    void* out;
    const void* x;
};

struct ScaleParameters {
    Extent extent;
    float* x;
    Rows rows;
};

struct TraceRatesParameters {
    Extent extent;
    double* x;
    double count;
    Rows rows;
};

struct ErrorsParameters {
    Extent extent;
    const double* error;
    const double* before;
    const double* after;
    ErrorMeasure measure;
    double* out;
};

struct SpreadParameters {
    Extent extent;
    void* x;
    const void* reference;
    Rows rows;  // the share
};

struct MeasurementParameters {
    Extent extent;
    float* x;
    const float* y;
    const float* mask;
    const float* basis;
    size_t channels;
    Rows rows;  // alpha, sigma
    NoiseSource noise;
};

struct WeighParameters {
    size_t count, period;
    double* x;
    const double* factors;
};

/** Of a column of a matrix: its elements from `begin` to `end`; those beyond are zero. */
struct ColumnRange {
    size_t begin, end;
};

struct MatrixColumnsParameters {
    size_t rows, columns;
    const double* matrix;
    double* values;
    ColumnRange* ranges;
};

/** out [outer][rows][inner] of `count` elements, x [outer][columns][inner]. */
struct MultiplyAxisParameters {
    size_t count, rows, columns, inner;
    double* out;
    const double* x;
    const double* values;
    const ColumnRange* ranges;
};

/** vectors [blocks][rows][size], columns [blocks][rows][blocks]. */
struct OrthonormalizeParameters {
    size_t blocks, rows, size, index;
    double* vectors;
    double* columns;
};

struct LeastSquaresParameters {
    size_t blocks, rows;
    const double* columns;
    double* work;  // [rows][blocks - 1][blocks]
    double* c;     // [rows][blocks]
};

/** out, `count` elements of samples of `size`; images [blocks - 1][count]. */
struct CombineImagesParameters {
    size_t count, size, blocks;
    double* out;
    const double* images;
    const double* c;
};

struct DiffuseParameters {
    Extent extent;
    float* x;
    float* target;  // or null
    const float* floats;
    const uint8_t* bytes;
    const uint8_t* flips;
    size_t width;
    float scale, shift;
    Rows rows;  // a, b, c, d
    NoiseSource noise;
};

struct ClipScaleParameters {
    size_t count;
    const double* squares;
    double limit;
    float* scale;
};

struct AdamWParameters {
    size_t count;
    float* parameters;
    const float* gradients;
    float* firstMoments;
    float* secondMoments;
    AdamWStep step;
    const float* scale;  // of the gradient, in the place of the step's; or null
    unsigned int averages;
    float* average[maxAverages];
    float decay[maxAverages];
};

}  // namespace fastsde::cuda
