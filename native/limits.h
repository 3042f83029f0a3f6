// The limits of the operations, once for all: the addon tells them to TypeScript, which names them in its errors.
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
/** The largest parts of the word `use` of a noise address: stream | substep << 8. */
inline constexpr uint32_t maxStream = (1u << 8) - 1, maxSubstep = (1u << 24) - 1;

}  // namespace fastsde
