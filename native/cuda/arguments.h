// Arguments of operations as their kernels take them.
#pragma once

#include <algorithm>

#include "operations.h"

namespace fastsde::cuda {

inline Extent extentOf(const Shape& shape) { return {shape.count, shape.size}; }

/** A row for all where all are equal, as on a fixed grid, so that nothing has to be copied; else a table. */
inline Rows rowsOf(Stream& stream, std::span<const double> coefficients, std::size_t width) {
    Rows rows{};
    if (std::equal(coefficients.begin() + static_cast<std::ptrdiff_t>(width), coefficients.end(), coefficients.begin()))
        std::copy_n(coefficients.begin(), width, rows.row);
    else
        rows.table = stream.table(coefficients);
    return rows;
}

inline NoiseSource noiseOf(Stream& stream, const Noise& noise) {
    return {noise.key, noise.first, noise.samples.empty() ? nullptr : stream.table(noise.samples)};
}

/** Whether a batch can be read and written in quads by threads that have four lanes of a chunk. */
inline bool isInQuads(const Shape& shape, std::initializer_list<const void*> arrays) {
    return shape.size > chunkSize && shape.size % 4 == 0 && std::all_of(arrays.begin(), arrays.end(), [](const void* array) {
               return reinterpret_cast<std::uintptr_t>(array) % 16 == 0;
           });
}

/** The vector form of a kernel: a row of the grid for every sample, as far as there are rows. */
template <typename Parameters>
void launchLanes(Stream& stream, const char* kernel, const Parameters& parameters) {
    constexpr std::size_t mostRows = 65535;
    const std::size_t chunks = (parameters.extent.size + chunkSize - 1) / chunkSize;
    const std::size_t needed = (4 * chunks + warpThreads - 1) / warpThreads * warpThreads;
    const auto threads = static_cast<unsigned int>(std::min<std::size_t>(blockThreads, needed));
    stream.launch(kernel, parameters, (needed + threads - 1) / threads, std::min(mostRows, parameters.extent.count), threads);
}

}  // namespace fastsde::cuda
