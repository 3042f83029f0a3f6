#include "../linear-algebra/linear_algebra.h"

#include <cmath>

#include "arguments.h"
#include "command.h"
#include "linear_algebra.h"

namespace fastsde::addon {
namespace {

/** The number of rows of a square matrix. */
std::size_t squareSize(std::size_t elements, const char* name) {
    const auto n = static_cast<std::size_t>(std::llround(std::sqrt(static_cast<double>(elements))));
    if (n == 0) throw std::length_error(std::string(name) + " is empty");
    requireLength(elements, n * n, name);
    return n;
}

bool flag(const Napi::Value& value, const char* name) {
    if (!value.IsBoolean()) throw Napi::TypeError::New(value.Env(), std::string(name) + " must be a boolean");
    return value.As<Napi::Boolean>().Value();
}

}  // namespace

void multiply(const Napi::CallbackInfo& info) {
    Command command(info[0]);
    const std::span out = command.doubles(info[1], "out");
    const Array a = command.state(info[2], "a"), b = command.state(info[4], "b");
    const std::size_t terms = count(info[6], "terms", a.size);
    requireLength(a.size % terms, 0, "rest of a");
    requireLength(b.size % terms, 0, "rest of b");
    const Matrix left{a, a.size / terms, terms, flag(info[3], "transposeA")};
    const Matrix right{b, terms, b.size / terms, flag(info[5], "transposeB")};
    requireLength(out.size(), left.rows * right.columns, "out");
    const bool accumulate = flag(info[7], "accumulate");
    command.run([=] { fastsde::multiply(out, left, right, accumulate); });
}

void factorize(const Napi::CallbackInfo& info) {
    Command command(info[0]);
    const std::span matrix = command.doubles(info[1], "matrix"), factor = command.doubles(info[2], "factor");
    const std::span pivots = command.integers(info[3], "pivots");
    requireLength(factor.size(), matrix.size(), "factor");
    requireLength(pivots.size(), squareSize(matrix.size(), "matrix"), "pivots");
    command.run([=] { fastsde::factorize(matrix, factor, pivots); });
}

void invertTriangular(const Napi::CallbackInfo& info) {
    Command command(info[0]);
    const std::span lower = command.doubles(info[1], "lower"), inverse = command.doubles(info[2], "inverse");
    squareSize(lower.size(), "lower");
    requireLength(inverse.size(), lower.size(), "inverse");
    command.run([=] { fastsde::invertTriangular(lower, inverse); });
}

void eigen(const Napi::CallbackInfo& info) {
    Command command(info[0]);
    const std::span matrix = command.doubles(info[1], "matrix"), values = command.doubles(info[2], "values");
    requireLength(values.size(), squareSize(matrix.size(), "matrix"), "values");
    std::span<double> vectors;
    if (!info[3].IsUndefined()) {
        vectors = command.doubles(info[3], "vectors");
        requireLength(vectors.size(), matrix.size(), "vectors");
    }
    command.run([=] { fastsde::eigen(matrix, values, vectors); });
}

}  // namespace fastsde::addon
