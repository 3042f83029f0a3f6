// The table of one instruction set, chosen at run time by isa.cc.
#include "declarations.h"

#define FASTSDE_STRING2(x) #x
#define FASTSDE_STRING(x) FASTSDE_STRING2(x)

namespace fastsde::FASTSDE_ISA {

#if defined(__AVX512F__)
constexpr size_t keptNormals = size_t{1} << 18;  // rotations take one instruction instead of three
#else
constexpr size_t keptNormals = size_t{1} << 22;
#endif

extern const Kernels kernels;
const Kernels kernels = {
    .isa = FASTSDE_STRING(FASTSDE_ISA),
    .keptNormals = keptNormals,
    .normal = normal,
    .uniform = uniform,
    .rademacher = rademacher,
    .widen = widen,
    .affine = affine,
    .affineNormal = affineNormal,
    .accumulateFloat = accumulateFloat,
    .accumulateDouble = accumulateDouble,
    .squares = squares,
    .noiseSquares = noiseSquares,
    .normalSquares = normalSquares,
    .scoreSquares = scoreSquares,
    .scoreSquaresMixed = scoreSquaresMixed,
    .scoreSquaresDouble = scoreSquaresDouble,
    .dot = dot,
    .dotDouble = dotDouble,
    .dotMixed = dotMixed,
    .displace = displace,
    .products = products,
    .addNoise = addNoise,
    .addNoiseDouble = addNoiseDouble,
    .clip = clip,
    .clipDouble = clipDouble,
    .scaledSquares = scaledSquares,
    .replace = replace,
    .replaceInBasis = replaceInBasis,
    .toBytes = toBytes,
    .fromBytes = fromBytes,
    .diffuse = diffuse,
    .mirror = mirror,
    .mirrorBytes = mirrorBytes,
    .adamw = adamw,
    .average = average,
    .weightGradient = weightGradient,
    .silu = silu,
    .siluGradient = siluGradient,
    .groupNorm = groupNorm,
    .groupNormGradient = groupNormGradient,
    .productTile = productTile,
    .rotate = rotate,
};

}  // namespace fastsde::FASTSDE_ISA
