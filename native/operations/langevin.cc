#include <array>
#include <cmath>
#include <vector>

#include "../isa.h"
#include "affine.h"

namespace fastsde {
namespace {

/** Samples up to this size keep their noise between norms of their own and the update. */
constexpr std::size_t largestKeptSample = 65536;

/** Elements of noise that this thread keeps between the passes. */
float* keptNoise(std::size_t elements) {
    thread_local std::vector<float> kept;
    if (kept.size() < elements) kept.resize(elements);
    return kept.data();
}

/** Squared norms of a sample. */
struct Norms {
    double score = 0, noise = 0;
};

class Corrector {
  public:
    Corrector(const Shape& shape, const Langevin& arguments)
        : shape_(shape),
          arguments_(arguments),
          source_(arguments.noise, shape),
          operands_{arguments.x, arguments.output},
          update_{kernels_, shape, arguments.x, operands_, arguments.mean},
          rows_(3 * shape.count) {}

    void run() {
        if (arguments_.norm != NormMode::batch && shape_.size <= largestKeptSample)
            inGroups();
        else
            inTwoSweeps();
    }

  private:
    static constexpr double cost = normalNanoseconds + 3 * streamNanoseconds;

    bool needsNoise() const { return arguments_.norm != NormMode::sqrtD; }

    /** Both passes over a few samples at a time, so that they are in cache for the second. */
    void inGroups() {
        const std::size_t together = std::max<std::size_t>(1, tileSize / shape_.size);
        const double whole = cost * static_cast<double>(shape_.elements());
        parallelTiles((shape_.count + together - 1) / together, whole, [&](std::size_t group) {
            const std::size_t first = group * together;
            const Tile tile{first, std::min(together, shape_.count - first), 0, shape_.size};
            const bool keeps = needsNoise() || !source_.inChunks();
            float* z = keeps ? keptNoise(tile.elements()) : nullptr;
            if (!needsNoise() && keeps) source_.fill(kernels_.normal, tile, z);
            if (tile.samples == 1)
                makeRow(first, normsOfSample(first, z));
            else
                forNorms(tile, z, [&](std::size_t b, const Norms& norms) { makeRow(b, norms); });
            const double* rows = rows_.data() + 3 * first;
            if (keeps)
                update_.apply(tile, rows, z);
            else
                update_.apply(tile, rows, source_);
        });
    }

    /** All norms, then all updates: for norms over the batch, and for large samples. */
    void inTwoSweeps() {
        const std::size_t blocks = shape_.blocks();
        const bool keeps = needsNoise() && shape_.elements() <= kernels_.keptNormals;
        float* kept = keeps ? keptNoise(shape_.elements()) : nullptr;
        std::vector<Norms> partial(shape_.count * blocks);
        parallelSamples(shape_, cost, [&](const Tile& tile, std::size_t number) {
            float* z = keeps                ? kept + tile.first(shape_)
                       : source_.inChunks() ? nullptr
                                            : keptNoise(tile.elements());
            forNorms(tile, z,
                     [&](std::size_t b, const Norms& norms) { partial[blocks == 1 ? b : number] = norms; });
        });
        const auto normsOf = [&](std::size_t b) {
            Norms norms;
            for (std::size_t i = b * blocks; i < (b + 1) * blocks; ++i)
                norms.score += partial[i].score, norms.noise += partial[i].noise;
            return norms;
        };
        if (arguments_.norm == NormMode::batch) {
            Norms mean;
            for (std::size_t b = 0; b < shape_.count; ++b) {
                const Norms norms = normsOf(b);
                mean.score += std::sqrt(norms.score) / static_cast<double>(shape_.count);
                mean.noise += std::sqrt(norms.noise) / static_cast<double>(shape_.count);
            }
            const Norms squared{mean.score * mean.score, mean.noise * mean.noise};
            for (std::size_t b = 0; b < shape_.count; ++b) makeRow(b, squared);
        } else {
            for (std::size_t b = 0; b < shape_.count; ++b) makeRow(b, normsOf(b));
        }
        parallelSamples(shape_, cost, [&](const Tile& tile, std::size_t) {
            const double* rows = rows_.data() + 3 * tile.sample;
            if (keeps)
                update_.apply(tile, rows, kept + tile.first(shape_));
            else
                update_.apply(tile, rows, source_);
        });
    }

    Norms normsOfSample(std::size_t b, float* z) const {
        Norms sum;
        for (std::size_t begin = 0; begin < shape_.size; begin += tileSize) {
            const Tile tile{b, 1, begin, std::min(tileSize, shape_.size - begin)};
            forNorms(tile, z == nullptr ? nullptr : z + begin, [&](std::size_t, const Norms& norms) {
                sum.score += norms.score, sum.noise += norms.noise;
            });
        }
        return sum;
    }

    /**
     * Calls give(b, norms) with the norms of the samples of a tile of up to tileSize elements. The noise is
     * left in z, unless it is null; only noise that does not begin at a chunk needs it.
     */
    template <typename Function>
    void forNorms(const Tile& tile, float* z, const Function& give) const {
        constexpr std::size_t most = 64;
        const bool fills = needsNoise() && !source_.inChunks();
        if (fills) source_.fill(kernels_.normal, tile, z);
        std::array<double, most> score{}, noise{};
        for (std::size_t first = 0; first < tile.samples; first += most) {
            const Tile part{tile.sample + first, std::min(most, tile.samples - first), tile.begin, tile.size};
            scores(part, score.data());
            if (fills) kernels_.squares(z + first * tile.size, tile.size, part.samples, noise.data());
            for (std::size_t b = 0; b < part.samples; ++b) {
                if (needsNoise() && !fills)
                    noise[b] =
                        noiseOf(part.sample + b, tile, z == nullptr ? nullptr : z + (first + b) * tile.size);
                give(part.sample + b, Norms{score[b], noise[b]});
            }
        }
    }

    double noiseOf(std::size_t b, const Tile& tile, float* z) const {
        const std::uint64_t chunk = source_.at(b, tile.begin) / chunkSize;
        return z == nullptr ? kernels_.noiseSquares(source_.key(), chunk, tile.size)
                            : kernels_.normalSquares(source_.key(), chunk, tile.size, z);
    }

    void scores(const Tile& tile, double* out) const {
        const Array &x = arguments_.x, &f = arguments_.output;
        const double* rows = arguments_.coefficients.data() + 3 * tile.sample;
        const std::size_t i = tile.first(shape_), size = tile.size, samples = tile.samples;
        if (!x.isDouble)
            kernels_.scoreSquares(x.as<float>() + i, f.as<float>() + i, rows, size, samples, out);
        else if (!f.isDouble)
            kernels_.scoreSquaresMixed(x.as<double>() + i, f.as<float>() + i, rows, size, samples, out);
        else
            kernels_.scoreSquaresDouble(x.as<double>() + i, f.as<double>() + i, rows, size, samples, out);
    }

    /**
     * The coefficients of x, F and z from e = factor (r_z / r_s)^2, which is 0 for a score of zero and NaN
     * (never a silent 0) for one that overflows.
     */
    void makeRow(std::size_t b, const Norms& norms) {
        const double* pqf = arguments_.coefficients.data() + 3 * b;
        const double noise = needsNoise() ? norms.noise : static_cast<double>(shape_.size);
        const double ratio = std::isfinite(norms.score) ? noise / norms.score : NAN;
        const double e = norms.score == 0 ? 0 : pqf[2] * ratio;
        double* row = rows_.data() + 3 * b;
        row[0] = 1 + e * pqf[0], row[1] = e * pqf[1], row[2] = std::sqrt(2 * e);
        if (!arguments_.steps.empty()) arguments_.steps[b] = e;
    }

    const Kernels& kernels_ = kernels();
    Shape shape_;
    const Langevin& arguments_;
    BatchNoise source_;
    std::array<Array, 2> operands_;
    AffineUpdate update_;
    std::vector<double> rows_;
};

}  // namespace

void langevin(const Shape& shape, const Langevin& arguments) { Corrector(shape, arguments).run(); }

}  // namespace fastsde
