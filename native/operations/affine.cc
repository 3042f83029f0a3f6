#include <array>

#include "../isa.h"
#include "operations.h"

namespace fastsde {
namespace {

/** Calls run(row, begin, end) for the parts of [begin, end) that share a row of coefficients. */
template <typename Function>
void forEachRow(const Shape& shape, bool oneRow, std::size_t begin, std::size_t end, const Function& run) {
    if (oneRow) return run(std::size_t{0}, begin, end);
    while (begin < end) {
        const std::size_t row = begin / shape.size, next = std::min(end, (row + 1) * shape.size);
        run(row, begin, next);
        begin = next;
    }
}

bool rowsEqual(std::span<const double> coefficients, std::size_t width) {
    return std::equal(coefficients.begin() + static_cast<std::ptrdiff_t>(width), coefficients.end(),
                      coefficients.begin());
}

void affineFloat(const Kernels& k, std::span<const Array> operands, const double* row, const float* z,
                 std::size_t begin, std::size_t n, float* out, float* mean) {
    std::array<const float*, maxOperands> x;
    std::array<float, maxOperands> c;
    for (std::size_t j = 0; j < operands.size(); ++j) {
        x[j] = operands[j].as<const float>() + begin;
        c[j] = static_cast<float>(row[j]);
    }
    k.affine(out, mean, x.data(), c.data(), operands.size(), static_cast<float>(row[operands.size()]), z, n);
}

void affineDouble(const Kernels& k, std::span<const Array> operands, const double* row, const float* z,
                  std::size_t begin, std::size_t n, double* out, double* mean) {
    std::array<double, pieceSize> sum;
    std::fill_n(sum.data(), n, 0.0);
    for (std::size_t j = 0; j < operands.size(); ++j)
        if (operands[j].isDouble)
            k.accumulateDouble(sum.data(), row[j], operands[j].as<const double>() + begin, n);
        else
            k.accumulateFloat(sum.data(), row[j], operands[j].as<const float>() + begin, n);
    if (mean != nullptr) std::copy_n(sum.data(), n, mean);
    if (z != nullptr) k.addNoise(sum.data(), row[operands.size()], z, n);
    std::copy_n(sum.data(), n, out);
}

}  // namespace

void affine(const Shape& shape, const Array& out, std::span<const Array> operands,
            std::span<const double> coefficients, const std::optional<Noise>& noise,
            const std::optional<Array>& mean) {
    const Kernels& k = kernels();
    const std::size_t width = operands.size() + 1;
    const bool oneRow = rowsEqual(coefficients, width);
    const Noise none{};
    const BatchNoise source(noise ? *noise : none, shape, k.normal);
    const double cost = streamNanoseconds * static_cast<double>(width) + (noise ? normalNanoseconds : 0);

    parallelRange(shape.elements(), cost, [&](std::size_t begin, std::size_t end) {
        std::array<float, pieceSize> z;
        while (begin < end) {
            const std::size_t piece = begin, next = source.pieceEnd(begin, end);
            if (noise) source.fill(piece, next - piece, z.data());
            forEachRow(shape, oneRow, piece, next, [&](std::size_t row, std::size_t from, std::size_t to) {
                const double* c = coefficients.data() + row * width;
                const float* noiseOfRow = noise ? z.data() + (from - piece) : nullptr;
                if (out.isDouble)
                    affineDouble(k, operands, c, noiseOfRow, from, to - from, out.as<double>() + from,
                                 mean ? mean->as<double>() + from : nullptr);
                else
                    affineFloat(k, operands, c, noiseOfRow, from, to - from, out.as<float>() + from,
                                mean ? mean->as<float>() + from : nullptr);
            });
            begin = next;
        }
    });
}

}  // namespace fastsde
