// The limits of the operations, once for all: the addon tells them to TypeScript, which names them in its
// errors.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace fastsde {

/** Arrays that one affine update may add up. */
inline constexpr size_t maxOperands = 8;
/** Channels that a measurement basis may have. */
inline constexpr size_t maxChannels = 16;
/** Threads that one operation may use. */
inline constexpr size_t maxThreads = 1024;
/** The parts of a noise address: stream and substep share a word of 32 bits, the others but for the seed have
 * one each. */
inline constexpr uint32_t maxStream = (1u << 8) - 1, maxSubstep = (1u << 24) - 1, maxWord = UINT32_MAX;
/** The global index of a sample: integers that a double holds. */
inline constexpr uint64_t maxSample = (uint64_t{1} << 53) - 1;
/** Flat indices of noise: 64 bits, less what is lost when a double divides them. */
inline constexpr uint64_t maxFlatIndex = UINT64_MAX - 4095;

}  // namespace fastsde
