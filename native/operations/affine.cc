#include "affine.h"

#include <array>

#include "../isa.h"

namespace fastsde {
namespace {

bool rowsEqual(const double* rows, std::size_t width, std::size_t count) {
    return std::equal(rows + width, rows + count * width, rows);
}

/** n elements from batch index `begin` on, of one row, in double; n is at most pieceSize. */
void addInDouble(const AffineUpdate& update, const double* row, const float* z, std::size_t begin,
                 std::size_t n) {
    const Kernels& k = update.kernels;
    const std::span operands = update.operands;
    std::array<double, pieceSize> sum;
    std::fill_n(sum.data(), n, 0.0);
    for (std::size_t j = 0; j < operands.size(); ++j)
        if (operands[j].isDouble)
            k.accumulateDouble(sum.data(), row[j], operands[j].as<const double>() + begin, n);
        else
            k.accumulateFloat(sum.data(), row[j], operands[j].as<const float>() + begin, n);
    if (update.mean) std::copy_n(sum.data(), n, update.mean->as<double>() + begin);
    if (z != nullptr) k.accumulateFloat(sum.data(), row[operands.size()], z, n);
    std::copy_n(sum.data(), n, update.out.as<double>() + begin);
}

}  // namespace

Combination AffineUpdate::at(const Tile& tile) const {
    const std::size_t i = tile.first(shape);
    Combination all;
    all.out = out.as<float>() + i;
    all.mean = mean ? mean->as<float>() + i : nullptr;
    for (std::size_t j = 0; j < operands.size(); ++j) all.x[j] = operands[j].as<const float>() + i;
    all.count = operands.size();
    return all;
}

void AffineUpdate::apply(const Tile& tile, const double* rows, const float* z) const {
    const std::size_t width = operands.size() + 1;
    if (!out.isDouble) {
        const bool one = tile.begin == 0 && tile.size == shape.size && rowsEqual(rows, width, tile.samples);
        if (one) return kernels.affine(at(tile), rows, z, tile.elements(), 1);
        return kernels.affine(at(tile), rows, z, tile.size, tile.samples);
    }
    forPieces(tile, [&](const Tile& piece, std::size_t done) {
        const double* row = rows + (piece.sample - tile.sample) * width;
        const float* noise = z == nullptr ? nullptr : z + done;
        if (rowsEqual(row, width, piece.samples))
            return addInDouble(*this, row, noise, piece.first(shape), piece.elements());
        for (std::size_t b = 0; b < piece.samples; ++b)
            addInDouble(*this, row + b * width, noise == nullptr ? nullptr : noise + b * piece.size,
                        piece.first(shape) + b * piece.size, piece.size);
    });
}

void AffineUpdate::apply(const Tile& tile, const double* rows, const BatchNoise& noise) const {
    const std::size_t width = operands.size() + 1;
    if (!out.isDouble && noise.inChunks()) {
        Combination all = at(tile);
        for (std::size_t b = 0; b < tile.samples; ++b, all.advance(shape.size))
            kernels.affineNormal(all, rows + b * width, noise.key(),
                                 noise.at(tile.sample + b, tile.begin) / chunkSize, tile.size);
        return;
    }
    forPieces(tile, [&](const Tile& piece, std::size_t) {
        std::array<float, pieceSize> z;
        noise.fill(kernels.normal, piece, z.data());
        apply(piece, rows + (piece.sample - tile.sample) * width, z.data());
    });
}

void affine(const Shape& shape, const Array& out, std::span<const Array> operands,
            std::span<const double> coefficients, const std::optional<Noise>& noise,
            const std::optional<Array>& mean) {
    const AffineUpdate update{kernels(), shape, out, operands, mean};
    const std::size_t width = operands.size() + 1;
    const double streams = streamNanoseconds * static_cast<double>(width);
    if (!noise)
        return parallelSamples(shape, streams, [&](const Tile& tile, std::size_t) {
            update.apply(tile, coefficients.data() + tile.sample * width, nullptr);
        });
    const BatchNoise source(*noise, shape);
    parallelSamples(shape, streams + normalNanoseconds, [&](const Tile& tile, std::size_t) {
        update.apply(tile, coefficients.data() + tile.sample * width, source);
    });
}

}  // namespace fastsde
