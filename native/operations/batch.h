// A batch as the operations see it: `count` samples of `size` elements, contiguous; element e of sample b has
// the batch index b * size + e. Work is cut into tiles of batch indices, and noise is made in L1-sized pieces
// of a tile.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "../kernels/table.h"
#include "../pool.h"

namespace fastsde {

/** Array of float or double that the caller owns. */
struct Array {
    void* data;
    std::size_t size;
    bool isDouble;

    template <typename T>
    T* as() const {
        return static_cast<T*>(data);
    }
};

/** Address of the noise of a batch. */
struct Noise {
    NoiseKey key;
    std::uint64_t first;              // global index of the first sample, if `samples` is empty
    std::span<const double> samples;  // global index of each sample
};

struct Shape {
    std::size_t count;
    std::size_t size;

    std::size_t elements() const { return count * size; }
};

inline constexpr std::size_t tileSize = 8192;   // what a thread claims at a time
inline constexpr std::size_t pieceSize = 1024;  // noise made at a time, on the stack

/** Estimated cost per element, to decide whether threads are worth waking: of noise, of an array that is read or
 * written, of a sum in which each term waits for the one before. */
inline constexpr double normalNanoseconds = 0.7, streamNanoseconds = 0.15, sumNanoseconds = 1;

using Fill = void (*)(const NoiseKey& key, std::uint64_t first, std::size_t n, float* out);

/** The noise of a batch by batch index. */
class BatchNoise {
  public:
    BatchNoise(const Noise& noise, const Shape& shape, Fill fill)
        : noise_(noise), shape_(shape), fill_(fill) {}

    void fill(std::size_t begin, std::size_t n, float* out) const;

    /** End of the piece that starts at `begin`: at most pieceSize on, at a chunk of the generator where
     * possible. */
    std::size_t pieceEnd(std::size_t begin, std::size_t end) const;

    /** Whether all flat noise indices of the batch fit in 64 bits. */
    static bool addressable(const Noise& noise, const Shape& shape);

  private:
    const Noise& noise_;
    Shape shape_;
    Fill fill_;
};

/** Calls run(begin, end) for the tiles of [0, n). */
template <typename Function>
void parallelRange(std::size_t n, double nanosecondsPerElement, const Function& run) {
    parallelTiles((n + tileSize - 1) / tileSize, static_cast<double>(n) * nanosecondsPerElement,
                  [&](std::size_t t) { run(t * tileSize, std::min((t + 1) * tileSize, n)); });
}

}  // namespace fastsde
