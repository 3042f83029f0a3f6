// The kernels in use: the best instruction set of this CPU, or the one that was asked for.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "kernels/table.h"

namespace fastsde {

/** Instruction sets that this build and this CPU both have, the best one last. */
std::vector<std::string> supportedIsas();

/** Makes `name` the instruction set of the process; false if it is not in supportedIsas(). */
bool selectIsa(std::string_view name);

/** The kernels of the selected instruction set. */
const Kernels& kernels();

}  // namespace fastsde
