#include <cmath>
#include <vector>

#include "../adamw.h"
#include "../isa.h"
#include "../symbol_version.h"
#include "operations.h"

FASTSDE_SYMBOL_VERSION("pow", "GLIBC_2.2.5");

namespace fastsde {

AdamWStep stepOf(const AdamW& options) {
    const double rate = options.learningRate / (1 - std::pow(options.beta1, options.step));
    const double rootScale = 1 / std::sqrt(1 - std::pow(options.beta2, options.step));
    return {
        .beta1 = static_cast<float>(options.beta1),
        .beta2 = static_cast<float>(options.beta2),
        .epsilon = static_cast<float>(options.epsilon),
        .gradientScale = static_cast<float>(options.gradientScale),
        .rate = static_cast<float>(rate),
        .rootScale = static_cast<float>(rootScale),
        .decay = static_cast<float>(options.learningRate * options.weightDecay),
    };
}

void adamw(std::span<float> parameters, const float* gradients, float* firstMoments, float* secondMoments,
           const AdamW& options, std::span<const Average> averages, const std::optional<std::span<const double>>& squares) {
    const Kernels& k = kernels();
    AdamWStep step = stepOf(options);
    if (squares) step.gradientScale = static_cast<float>(clipScale(squares->data(), squares->size(), options.gradientScale));
    const double cost = streamNanoseconds * static_cast<double>(4 + averages.size());
    parallelRange(parameters.size(), cost, [&](std::size_t begin, std::size_t end) {
        for (; begin < end; begin += pieceSize) {
            const std::size_t n = std::min(pieceSize, end - begin);
            float* p = parameters.data() + begin;
            k.adamw(p, gradients + begin, firstMoments + begin, secondMoments + begin, step, n);
            for (const Average& average : averages)
                k.average(average.values + begin, p, static_cast<float>(average.decay), n);
        }
    });
}

double sumOfSquares(std::span<const std::span<const float>> tensors) {
    const Kernels& k = kernels();
    std::vector<std::span<const float>> blocks;
    std::size_t elements = 0;
    for (const std::span<const float> tensor : tensors) {
        elements += tensor.size();
        for (std::size_t begin = 0; begin < tensor.size(); begin += normBlock)
            blocks.push_back(tensor.subspan(begin, std::min(normBlock, tensor.size() - begin)));
    }
    std::vector<double> partial(blocks.size());
    parallelTiles(blocks.size(), streamNanoseconds * static_cast<double>(elements), [&](std::size_t i) {
        partial[i] = k.dot(blocks[i].data(), blocks[i].data(), blocks[i].size());
    });
    double sum = 0;
    for (const double value : partial) sum += value;
    return sum;
}

}  // namespace fastsde
