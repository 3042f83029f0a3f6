// The table of one instruction set, chosen at run time by isa.cc.
#include "declarations.h"

#define FASTSDE_STRING2(x) #x
#define FASTSDE_STRING(x) FASTSDE_STRING2(x)

namespace fastsde::FASTSDE_ISA {

extern const Kernels kernels;
const Kernels kernels = {
    .isa = FASTSDE_STRING(FASTSDE_ISA),
    .normal = normal,
    .uniform = uniform,
    .rademacher = rademacher,
    .widen = widen,
    .affine = affine,
    .accumulateFloat = accumulateFloat,
    .accumulateDouble = accumulateDouble,
    .addNoise = addNoise,
    .langevinFloat = &langevinFloat,
    .langevinMixed = &langevinMixed,
    .langevinDouble = &langevinDouble,
    .dot = dot,
    .dotDouble = dotDouble,
    .dotMixed = dotMixed,
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
};

}  // namespace fastsde::FASTSDE_ISA
