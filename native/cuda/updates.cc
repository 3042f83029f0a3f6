// Updates of states: affine, Langevin, noise, measurements, and those of training.
#include <array>
#include <cmath>

#include "arguments.h"

namespace fastsde::cuda {
namespace {

constexpr std::array affineVector{"affine_vector_1", "affine_vector_2", "affine_vector_3", "affine_vector_4",
                                  "affine_vector_5", "affine_vector_6", "affine_vector_7", "affine_vector_8"};
static_assert(affineVector.size() == maxOperands);

void combine(Stream& stream, const Shape& shape, const Array& out, std::span<const Array> operands, const Rows& rows,
             const NoiseSource* noise, const std::optional<Array>& mean) {
    const auto count = static_cast<unsigned int>(operands.size());
    const NoiseSource source = noise == nullptr ? NoiseSource{} : *noise;
    if (out.isDouble) {
        AffineDoubleParameters p{extentOf(shape), stream.on(out.as<double>()), nullptr, {}, 0, count, noise != nullptr, rows, source};
        if (mean) p.mean = stream.on(mean->as<double>());
        for (unsigned int j = 0; j < count; ++j) {
            p.x[j] = stream.on(operands[j].data);
            p.doubles |= (operands[j].isDouble ? 1u : 0u) << j;
        }
        return stream.launch("affine_double", p, shape.elements());
    }
    AffineParameters p{extentOf(shape), stream.on(out.as<float>()), nullptr, {}, count, noise != nullptr, rows, source};
    if (mean) p.mean = stream.on(mean->as<float>());
    bool inQuads = isInQuads(shape, {p.out, p.mean});
    for (unsigned int j = 0; j < count; ++j) {
        p.x[j] = stream.on(operands[j].as<const float>());
        inQuads = inQuads && isInQuads(shape, {p.x[j]});
    }
    if (inQuads) return launchLanes(stream, affineVector[count - 1], p);
    stream.launch("affine_scalar", p, shape.elements());
}

}  // namespace

void affine(Stream& stream, const Shape& shape, const Array& out, std::span<const Array> operands,
            std::span<const double> coefficients, const std::optional<Noise>& noise, const std::optional<Array>& mean) {
    const Rows rows = rowsOf(stream, coefficients, operands.size() + 1);
    if (!noise) return combine(stream, shape, out, operands, rows, nullptr, mean);
    const NoiseSource source = noiseOf(stream, *noise);
    combine(stream, shape, out, operands, rows, &source, mean);
}

void langevin(Stream& stream, const Shape& shape, const Langevin& arguments) {
    const Array &x = arguments.x, &output = arguments.output;
    const bool needsNoise = arguments.norm != NormMode::sqrtD;
    const std::size_t blocks = shape.blocks(), parts = shape.count * blocks;
    const Rows rows = rowsOf(stream, arguments.coefficients, 3);
    const NoiseSource noise = noiseOf(stream, arguments.noise);
    double* const score = stream.scratch<double>(parts);
    double* const noises = stream.scratch<double>(parts);
    double* const made = stream.scratch<double>(3 * shape.count);
    const LangevinNormsParameters norms{extentOf(shape), blocks, stream.on(x.data), stream.on(output.data), needsNoise,
                                        rows,            noise,  score,             noises};
    const char* const kernel = !x.isDouble        ? "langevin_norms_single"
                               : !output.isDouble ? "langevin_norms_mixed"
                                                  : "langevin_norms_double";
    stream.launch(kernel, norms, parts * warpThreads);
    double* const steps = arguments.steps.empty() ? nullptr : stream.on(arguments.steps.data());
    const LangevinRowsParameters step{extentOf(shape), blocks, needsNoise, rows, score, noises, made, steps};
    if (arguments.norm == NormMode::batch)
        stream.launch("langevin_rows_of_batch", step, 1, 1, blockThreads);
    else
        stream.launch("langevin_rows", step, shape.count);
    const std::array operands{x, output};
    combine(stream, shape, x, operands, Rows{made, {}}, &noise, arguments.mean);
}

void fill(Stream& stream, const Shape& shape, const Array& out, Distribution distribution, const Noise& noise) {
    const FillParameters p{extentOf(shape), stream.on(out.data), out.isDouble, static_cast<int>(distribution),
                           noiseOf(stream, noise)};
    if (!out.isDouble && distribution != Distribution::rademacher && isInQuads(shape, {p.out}))
        return launchLanes(stream, distribution == Distribution::normal ? "normal_vector" : "uniform_vector", p);
    stream.launch("fill_scalar", p, shape.elements());
}

void addNoise(Stream& stream, const Shape& shape, const Array& x, const float* v, std::span<const double> coefficients,
             const Noise& noise) {
    const AddNoiseParameters p{extentOf(shape), stream.on(x.data), stream.on(v), rowsOf(stream, coefficients, 2),
                              noiseOf(stream, noise)};
    stream.launch(x.isDouble ? "add_noise_double" : "add_noise_single", p, shape.elements());
}

void projectMeasurement(Stream& stream, const Shape& shape, float* x, const float* y, const float* mask,
                        std::span<const double> coefficients, const Noise& noise, std::span<const float> basis,
                        std::size_t channels) {
    MeasurementParameters p{extentOf(shape), stream.on(x), stream.on(y), stream.on(mask), nullptr, channels,
                            rowsOf(stream, coefficients, 2), noiseOf(stream, noise)};
    if (basis.empty()) return stream.launch("replace", p, shape.elements());
    p.basis = stream.on(basis.data());
    const std::size_t blocks = (shape.size / channels + basisBlock - 1) / basisBlock;
    stream.launch("replace_in_basis", p, shape.count * blocks, 1, basisBlock);
}

void diffuse(Stream& stream, const Shape& shape, float* x, float* target, const CleanData& data,
             std::span<const double> coefficients, const Noise& noise) {
    DiffuseParameters p{};
    p.extent = extentOf(shape);
    p.x = stream.on(x);
    if (target != nullptr) p.target = stream.on(target);
    if (data.bytes != nullptr)
        p.bytes = stream.on(data.bytes);
    else
        p.floats = stream.on(data.floats);
    if (!data.flips.empty()) p.flips = stream.on(data.flips.data());
    p.width = data.width;
    p.scale = static_cast<float>((data.high - data.low) / 255);
    p.shift = static_cast<float>(data.low);
    p.rows = rowsOf(stream, coefficients, 4);
    p.noise = noiseOf(stream, noise);
    if (isInQuads(shape, {p.x, p.target})) return launchLanes(stream, "diffuse_vector", p);
    stream.launch("diffuse_scalar", p, shape.elements());
}

void adamw(Stream& stream, std::span<float> parameters, const float* gradients, float* firstMoments, float* secondMoments,
           const AdamW& options, std::span<const Average> averages, const std::optional<std::span<const double>>& squares) {
    AdamWParameters p{};
    p.count = parameters.size();
    p.parameters = stream.on(parameters.data());
    p.gradients = stream.on(gradients);
    p.firstMoments = stream.on(firstMoments);
    p.secondMoments = stream.on(secondMoments);
    p.step = stepOf(options);
    if (squares) {
        float* const scale = stream.scratch<float>(1);
        const double* const from = squares->empty() ? nullptr : stream.on(squares->data());
        stream.launch("clip_scale", ClipScaleParameters{squares->size(), from, options.gradientScale, scale}, 1, 1, 1);
        p.scale = scale;
    }
    for (std::size_t first = 0; first == 0 || first < averages.size(); first += maxAverages) {
        const std::span some = averages.subspan(first, std::min(maxAverages, averages.size() - first));
        p.averages = static_cast<unsigned int>(some.size());
        for (std::size_t a = 0; a < some.size(); ++a) {
            p.average[a] = stream.on(some[a].values);
            p.decay[a] = static_cast<float>(some[a].decay);
        }
        stream.launch(first == 0 ? "adamw" : "averages", p, p.count);
    }
}

}  // namespace fastsde::cuda
