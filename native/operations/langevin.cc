#include <array>
#include <cmath>
#include <vector>

#include "../isa.h"
#include "operations.h"

namespace fastsde {
namespace {

/** Samples handled at a time, in elements, so that their noise stays in cache between the two passes. */
constexpr std::size_t groupSize = 8192;
/** Samples and batches up to these sizes keep their noise between the passes; larger ones make it twice. */
constexpr std::size_t largestKeptSample = 65536, largestKeptBatch = std::size_t{1} << 22;

/** Elements of noise that this thread keeps between the passes. */
float* keptNoise(std::size_t elements) {
    thread_local std::vector<float> kept;
    if (kept.size() < elements) kept.resize(elements);
    return kept.data();
}

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

template <typename X, typename F>
class Corrector {
  public:
    Corrector(const LangevinKernels<X, F>& kernels, const Shape& shape, const Langevin& arguments)
        : kernels_(kernels),
          shape_(shape),
          x_(arguments.x.as<X>()),
          output_(arguments.output.as<const F>()),
          mean_(arguments.mean ? arguments.mean->as<X>() : nullptr),
          coefficients_(arguments.coefficients),
          norm_(arguments.norm),
          source_(arguments.noise, shape, fastsde::kernels().normal),
          steps_(arguments.steps) {}

    void run() const {
        if (norm_ != NormMode::batch && shape_.size <= largestKeptSample)
            inGroups();
        else
            inTwoSweeps();
    }

  private:
    double cost() const {
        return static_cast<double>(shape_.elements()) * (normalNanoseconds + 3 * streamNanoseconds);
    }

    std::size_t samplesPerGroup() const { return std::max<std::size_t>(1, groupSize / shape_.size); }

    std::size_t groups() const { return (shape_.count + samplesPerGroup() - 1) / samplesPerGroup(); }

    /** Both passes over a few samples at a time. */
    void inGroups() const {
        const std::size_t samples = samplesPerGroup();
        parallelTiles(groups(), cost(), [&](std::size_t group) {
            const std::size_t first = group * samples, last = std::min(first + samples, shape_.count);
            const std::size_t n = (last - first) * shape_.size;
            float* z = keptNoise(n);
            source_.fill(first * shape_.size, n, z);
            for (std::size_t b = first; b < last; ++b, z += shape_.size) {
                const Step step = sampleStep(b, normsOf(b, z));
                update(b, step, b * shape_.size, shape_.size, z);
            }
        });
    }

    /** All norms, then all updates: for norms over the batch, and for large samples. */
    void inTwoSweeps() const {
        const bool keep = norm_ != NormMode::sqrtD && shape_.elements() <= largestKeptBatch;
        float* kept = keep ? keptNoise(shape_.elements()) : nullptr;
        const std::vector<Step> steps = stepsOf(allNorms(kept));
        const bool oneStep = norm_ == NormMode::batch && rowsEqual();

        parallelRange(shape_.elements(), cost(), [&](std::size_t begin, std::size_t end) {
            std::array<float, pieceSize> buffer;
            while (begin < end) {
                const std::size_t piece = begin, next = keep ? end : source_.pieceEnd(begin, end);
                if (!keep) source_.fill(piece, next - piece, buffer.data());
                const float* z = keep ? kept + piece : buffer.data();
                while (begin < next) {
                    const std::size_t b = begin / shape_.size;
                    const std::size_t to = oneStep ? next : std::min(next, (b + 1) * shape_.size);
                    update(b, steps[b], begin, to - begin, z + (begin - piece));
                    begin = to;
                }
            }
        });
    }

    /** Norms of all samples, in parallel over groups of samples or, in large samples, over blocks. */
    std::vector<Norms> allNorms(float* kept) const {
        std::vector<Norms> norms(shape_.count);
        const std::size_t blocks = (shape_.size + normBlock - 1) / normBlock;
        if (blocks == 1) {
            const std::size_t samples = samplesPerGroup();
            parallelTiles(groups(), cost(), [&](std::size_t group) {
                const std::size_t first = group * samples, last = std::min(first + samples, shape_.count);
                const std::size_t begin = first * shape_.size, n = (last - first) * shape_.size;
                float* z = kept != nullptr ? kept + begin : keptNoise(n);
                if (norm_ != NormMode::sqrtD) source_.fill(begin, n, z);
                for (std::size_t b = first; b < last; ++b, z += shape_.size) norms[b] = normsOf(b, z);
            });
            return norms;
        }
        std::vector<Norms> partial(shape_.count * blocks);
        parallelTiles(partial.size(), cost(), [&](std::size_t tile) {
            const std::size_t b = tile / blocks, block = tile % blocks * normBlock;
            const std::size_t begin = b * shape_.size + block;
            std::array<float, normBlock> buffer;
            float* z = kept != nullptr ? kept + begin : buffer.data();
            if (norm_ != NormMode::sqrtD) source_.fill(begin, std::min(normBlock, shape_.size - block), z);
            addNorms(partial[tile], b, block, z);
        });
        for (std::size_t tile = 0; tile < partial.size(); ++tile) {
            norms[tile / blocks].score += partial[tile].score;
            norms[tile / blocks].noise += partial[tile].noise;
        }
        return norms;
    }

    std::vector<Step> stepsOf(const std::vector<Norms>& norms) const {
        std::vector<Step> steps(shape_.count);
        if (norm_ != NormMode::batch) {
            for (std::size_t b = 0; b < shape_.count; ++b) steps[b] = sampleStep(b, norms[b]);
            return steps;
        }
        double score = 0, noise = 0;
        for (const Norms& sample : norms) {
            score += std::sqrt(sample.score) / static_cast<double>(shape_.count);
            noise += std::sqrt(sample.noise) / static_cast<double>(shape_.count);
        }
        for (std::size_t b = 0; b < shape_.count; ++b) {
            steps[b] = stepOf(row(b)[2], noise, score);
            if (!steps_.empty()) steps_[b] = steps[b].e;
        }
        return steps;
    }

    Step sampleStep(std::size_t b, const Norms& norms) const {
        const double noise = norm_ == NormMode::sqrtD ? static_cast<double>(shape_.size) : norms.noise;
        const Step step = stepOf(row(b)[2], std::sqrt(noise), std::sqrt(norms.score));
        if (!steps_.empty()) steps_[b] = step.e;
        return step;
    }

    Norms normsOf(std::size_t b, const float* z) const {
        Norms norms;
        for (std::size_t block = 0; block < shape_.size; block += normBlock)
            addNorms(norms, b, block, z + block);
        return norms;
    }

    /** Adds the squared norms of one block of sample b. */
    void addNorms(Norms& norms, std::size_t b, std::size_t block, const float* z) const {
        const std::size_t n = std::min(normBlock, shape_.size - block), i = b * shape_.size + block;
        double sums[2];
        kernels_.norms(x_ + i, output_ + i, static_cast<X>(row(b)[0]), static_cast<X>(row(b)[1]),
                       norm_ == NormMode::sqrtD ? nullptr : z, n, sums);
        norms.score += sums[0];
        norms.noise += sums[1];
    }

    void update(std::size_t b, const Step& step, std::size_t i, std::size_t n, const float* z) const {
        kernels_.update(x_ + i, mean_ == nullptr ? nullptr : mean_ + i, output_ + i,
                        static_cast<X>(row(b)[0]), static_cast<X>(row(b)[1]), static_cast<X>(step.e),
                        static_cast<X>(step.noise), z, n);
    }

    /** p, q, factor of sample b. */
    const double* row(std::size_t b) const { return coefficients_.data() + 3 * b; }

    bool rowsEqual() const {
        return std::equal(coefficients_.begin() + 3, coefficients_.end(), coefficients_.begin());
    }

    const LangevinKernels<X, F>& kernels_;
    Shape shape_;
    X* x_;
    const F* output_;
    X* mean_;
    std::span<const double> coefficients_;
    NormMode norm_;
    BatchNoise source_;
    std::span<double> steps_;
};

}  // namespace

void langevin(const Shape& shape, const Langevin& arguments) {
    const Kernels& k = kernels();
    if (!arguments.x.isDouble)
        Corrector(*k.langevinFloat, shape, arguments).run();
    else if (!arguments.output.isDouble)
        Corrector(*k.langevinMixed, shape, arguments).run();
    else
        Corrector(*k.langevinDouble, shape, arguments).run();
}

}  // namespace fastsde
