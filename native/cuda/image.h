#pragma once

namespace fastsde::cuda {

/** The kernels for real GPUs, as the driver loads them; null where this build has none. */
const void* image();

}  // namespace fastsde::cuda
