#include "verbs.h"

#include <cmath>
#include <span>
#include <stdexcept>

#include "../cuda/operations.h"
#include "arguments.h"
#include "command.h"

namespace fastsde::addon {

namespace {

/** Vectors of a Krylov space in the column of a Hessenberg matrix: of [blocks][rows][blocks] elements. */
std::size_t blocksOf(std::span<const double> columns, std::size_t rows) {
    const auto blocks = static_cast<std::size_t>(
        std::llround(std::sqrt(static_cast<double>(columns.size()) / static_cast<double>(rows))));
    if (blocks == 0) throw std::length_error("columns are empty");
    requireLength(columns.size(), blocks * rows * blocks, "columns");
    return blocks;
}

}  // namespace

void weigh(const Napi::CallbackInfo& info) {
    Command command(info[0]);
    const std::span x = command.doubles(info[1], "x"), factors = command.doubles(info[2], "factors");
    if (factors.empty()) throw std::length_error("factors are empty");
    requireLength(x.size() % factors.size(), 0, "rest of x");
    command.run([=] { fastsde::weigh(x, factors); }, [=](cuda::Stream& stream) { cuda::weigh(stream, x, factors); });
}

void multiplyAxis(const Napi::CallbackInfo& info) {
    Command command(info[0]);
    const std::span out = command.doubles(info[1], "out"), x = command.doubles(info[2], "x");
    const std::span matrix = command.doubles(info[3], "matrix");
    const std::size_t columns = count(info[4], "columns", matrix.size()), inner = count(info[5], "inner", x.size());
    requireLength(matrix.size() % columns, 0, "rest of matrix");
    requireLength(x.size() % columns, 0, "rest of x");
    requireLength(x.size() / columns % inner, 0, "rest of x");
    requireLength(out.size(), x.size() / columns * (matrix.size() / columns), "out");
    command.run([=] { fastsde::multiplyAxis(out, x, matrix, columns, inner); },
                [=](cuda::Stream& stream) { cuda::multiplyAxis(stream, out, x, matrix, columns, inner); });
}

void orthonormalize(const Napi::CallbackInfo& info) {
    Command command(info[0]);
    const std::span vectors = command.doubles(info[1], "vectors"), columns = command.doubles(info[2], "columns");
    const std::size_t rows = count(info[3], "rows", columns.size()), blocks = blocksOf(columns, rows);
    requireLength(vectors.size() % (blocks * rows), 0, "rest of vectors");
    const double asked = number(info[4], "index");
    if (!(asked >= 0 && asked < static_cast<double>(blocks) && asked == std::floor(asked)))
        throw std::length_error("there is no such vector");
    const auto index = static_cast<std::size_t>(asked);
    command.run([=] { fastsde::orthonormalize(vectors, columns, rows, blocks, index); },
                [=](cuda::Stream& stream) { cuda::orthonormalize(stream, vectors, columns, rows, blocks, index); });
}

void leastResiduals(const Napi::CallbackInfo& info) {
    Command command(info[0]);
    const std::span out = command.doubles(info[1], "out"), images = command.doubles(info[2], "images");
    const std::span columns = command.doubles(info[3], "columns");
    const std::size_t rows = count(info[4], "rows", columns.size()), blocks = blocksOf(columns, rows);
    requireLength(out.size() % rows, 0, "rest of out");
    requireLength(images.size(), (blocks - 1) * out.size(), "images");
    command.run([=] { fastsde::leastResiduals(out, images, columns, rows, blocks); },
                [=](cuda::Stream& stream) { cuda::leastResiduals(stream, out, images, columns, rows, blocks); });
}

}  // namespace fastsde::addon
