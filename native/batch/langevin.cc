#include <array>
#include <cmath>
#include <vector>

#include "../isa.h"
#include "operations.h"

namespace fastsde {
namespace {

/** Samples up to this size are handled one or a few at a time, their noise kept in L2 between the two passes.
 */
constexpr std::size_t groupSize = 16384, largestCachedSample = 65536;
/** Whole batches up to this size keep their noise between the passes; larger ones make it twice. */
constexpr std::size_t largestCachedBatch = std::size_t{1} << 22;

struct Norms {
    double score = 0, noise = 0;  // squared
};

struct Step {
    double e = 0, noise = 0;  // noise = sqrt(2 e)
};

/** e = factor (r_z / r_s)^2; 0 for a score of zero, NaN (never a silent 0) for one that overflows. */
Step stepOf(double factor, double noiseNorm, double scoreNorm) {
    if (scoreNorm == 0) return {};
    const double ratio = std::isfinite(scoreNorm) ? noiseNorm / scoreNorm : NAN;
    const double e = factor * ratio * ratio;
    return {e, std::sqrt(2 * e)};
}

class Langevin {
  public:
    Langevin(const Shape& shape, const Array& x, const Array& output, std::span<const double> coefficients,
             NormMode norm, const Noise& noise, const std::optional<Array>& mean, std::span<double> steps)
        : shape_(shape),
          x_(x),
          output_(output),
          coefficients_(coefficients),
          norm_(norm),
          source_(noise, shape, k_.normal),
          mean_(mean),
          steps_(steps) {}

    void run() const {
        if (norm_ != NormMode::batch && shape_.size <= largestCachedSample)
            inGroups();
        else
            inTwoSweeps();
    }

  private:
    static constexpr double nanoseconds_ = normalNanoseconds + 3 * streamNanoseconds;

    /** Both passes over a few samples at a time. */
    void inGroups() const {
        const std::size_t samples = std::max<std::size_t>(1, groupSize / shape_.size);
        const double cost = static_cast<double>(shape_.elements()) * nanoseconds_;
        parallelTiles((shape_.count + samples - 1) / samples, cost, [&](std::size_t group) {
            thread_local std::vector<float> z(std::max(groupSize, largestCachedSample));
            const std::size_t first = group * samples, last = std::min(first + samples, shape_.count);
            const std::size_t begin = first * shape_.size;
            source_.fill(begin, last * shape_.size - begin, z.data());
            for (std::size_t b = first; b < last; ++b) {
                const float* zb = z.data() + (b - first) * shape_.size;
                Norms norms;
                for (std::size_t block = 0; block < shape_.size; block += normBlock)
                    addNorms(norms, b, block, zb + block);
                const Step step = stepOf(b, norms);
                update(b, step, b * shape_.size, shape_.size, zb);
            }
        });
    }

    /** All norms, then all updates: for norms over the batch, and for large samples. */
    void inTwoSweeps() const {
        const std::size_t blocks = (shape_.size + normBlock - 1) / normBlock, elements = shape_.elements();
        const double cost = static_cast<double>(elements) * nanoseconds_;
        std::vector<float> kept(elements <= largestCachedBatch && norm_ != NormMode::sqrtD ? elements : 0);
        std::vector<Norms> partial(shape_.count * blocks);
        parallelTiles(partial.size(), cost, [&](std::size_t tile) {
            const std::size_t b = tile / blocks, block = tile % blocks * normBlock,
                              begin = b * shape_.size + block;
            std::array<float, normBlock> buffer;
            float* z = kept.empty() ? buffer.data() : kept.data() + begin;
            if (norm_ != NormMode::sqrtD) source_.fill(begin, std::min(normBlock, shape_.size - block), z);
            addNorms(partial[tile], b, block, z);
        });

        std::vector<Norms> norms(shape_.count);
        double scoreMean = 0, noiseMean = 0;
        for (std::size_t b = 0; b < shape_.count; ++b) {
            for (std::size_t i = 0; i < blocks; ++i) {
                norms[b].score += partial[b * blocks + i].score;
                norms[b].noise += partial[b * blocks + i].noise;
            }
            scoreMean += std::sqrt(norms[b].score) / static_cast<double>(shape_.count);
            noiseMean += std::sqrt(norms[b].noise) / static_cast<double>(shape_.count);
        }
        std::vector<Step> steps(shape_.count);
        for (std::size_t b = 0; b < shape_.count; ++b)
            steps[b] = norm_ == NormMode::batch ? fastsde::stepOf(factor(b), noiseMean, scoreMean)
                                                : stepOf(b, norms[b]);
        if (norm_ == NormMode::batch && !steps_.empty())
            for (std::size_t b = 0; b < shape_.count; ++b) steps_[b] = steps[b].e;

        parallelRange(elements, cost, [&](std::size_t begin, std::size_t end) {
            std::array<float, pieceSize> buffer;
            while (begin < end) {
                const std::size_t piece = begin, next = kept.empty() ? source_.pieceEnd(begin, end) : end;
                if (kept.empty()) source_.fill(piece, next - piece, buffer.data());
                const float* z = kept.empty() ? buffer.data() : kept.data() + piece;
                while (begin < next) {
                    const std::size_t b = begin / shape_.size, to = std::min(next, (b + 1) * shape_.size);
                    update(b, steps[b], begin, to - begin, z + (begin - piece));
                    begin = to;
                }
            }
        });
    }

    double factor(std::size_t b) const { return coefficients_[3 * b + 2]; }

    Step stepOf(std::size_t b, const Norms& norms) const {
        const double noise = norm_ == NormMode::sqrtD ? static_cast<double>(shape_.size) : norms.noise;
        const Step step = fastsde::stepOf(factor(b), std::sqrt(noise), std::sqrt(norms.score));
        if (!steps_.empty()) steps_[b] = step.e;
        return step;
    }

    /** Adds the squared norms of one block of sample b. */
    void addNorms(Norms& norms, std::size_t b, std::size_t block, const float* z) const {
        const std::size_t n = std::min(normBlock, shape_.size - block), i = b * shape_.size + block;
        const double p = coefficients_[3 * b], q = coefficients_[3 * b + 1];
        if (norm_ != NormMode::sqrtD) norms.noise += k_.squares(z, n);
        if (!x_.isDouble)
            norms.score += k_.scoreSquares(x_.as<const float>() + i, output_.as<const float>() + i,
                                           static_cast<float>(p), static_cast<float>(q), n);
        else if (output_.isDouble)
            norms.score += k_.scoreSquaresDoubleDouble(x_.as<const double>() + i,
                                                       output_.as<const double>() + i, p, q, n);
        else
            norms.score +=
                k_.scoreSquaresDouble(x_.as<const double>() + i, output_.as<const float>() + i, p, q, n);
    }

    void update(std::size_t b, const Step& step, std::size_t i, std::size_t n, const float* z) const {
        const double p = coefficients_[3 * b], q = coefficients_[3 * b + 1];
        if (!x_.isDouble)
            k_.langevin(x_.as<float>() + i, mean_ ? mean_->as<float>() + i : nullptr,
                        output_.as<const float>() + i, static_cast<float>(p), static_cast<float>(q),
                        static_cast<float>(step.e), static_cast<float>(step.noise), z, n);
        else if (output_.isDouble)
            k_.langevinDoubleDouble(x_.as<double>() + i, mean_ ? mean_->as<double>() + i : nullptr,
                                    output_.as<const double>() + i, p, q, step.e, step.noise, z, n);
        else
            k_.langevinDouble(x_.as<double>() + i, mean_ ? mean_->as<double>() + i : nullptr,
                              output_.as<const float>() + i, p, q, step.e, step.noise, z, n);
    }

    const Kernels& k_ = kernels();
    Shape shape_;
    Array x_, output_;
    std::span<const double> coefficients_;
    NormMode norm_;
    BatchNoise source_;
    std::optional<Array> mean_;
    std::span<double> steps_;
};

}  // namespace

void langevin(const Shape& shape, const Array& x, const Array& output, std::span<const double> coefficients,
              NormMode norm, const Noise& noise, const std::optional<Array>& mean, std::span<double> steps) {
    Langevin(shape, x, output, coefficients, norm, noise, mean, steps).run();
}

}  // namespace fastsde
