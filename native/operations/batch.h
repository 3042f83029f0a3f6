// A batch as the operations see it: `count` samples of `size` elements, contiguous; element e of sample b has
// the batch index b * size + e. Work is cut into tiles, whole samples or a block of one, and where noise lies
// in an array it is made in L1-sized pieces of a tile.
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
    /** Blocks of normBlock elements, whose partial sums are added in order. */
    std::size_t blocks() const { return (size + normBlock - 1) / normBlock; }
};

/** Elements from `begin` on, `size` of them, of each of `samples` samples from `sample` on. */
struct Tile {
    std::size_t sample, samples;
    std::size_t begin, size;

    std::size_t elements() const { return samples * size; }
    /** Batch index of the first element. */
    std::size_t first(const Shape& shape) const { return sample * shape.size + begin; }
};

inline constexpr std::size_t tileSize = normBlock;  // elements that a thread claims at a time
inline constexpr std::size_t pieceSize = 1024;      // elements of noise made at a time, on the stack

/** Estimated cost per element, to decide whether threads are worth waking: of noise, of an array that is read
 * or written, of a sum in which each term waits for the one before. */
inline constexpr double normalNanoseconds = 0.7, streamNanoseconds = 0.15, sumNanoseconds = 1;

using Fill = void (*)(const NoiseKey& key, std::uint64_t first, std::size_t n, float* out);

/** The noise of a batch. */
class BatchNoise {
  public:
    BatchNoise(const Noise& noise, const Shape& shape)
        : noise_(noise), size_(shape.size), stride_(sampleStride(shape.size)) {}

    const NoiseKey& key() const { return noise_.key; }

    /** Whether samples begin at chunks, and with them tiles and pieces. */
    bool inChunks() const { return size_ > chunkSize; }

    /** Flat index of an element of the noise. */
    std::uint64_t at(std::size_t sample, std::size_t element) const {
        return index(sample) * stride_ + element;
    }

    /** The noise of a tile, from a kernel of the table. */
    void fill(Fill kernel, const Tile& tile, float* out) const;

    /** Whether all flat noise indices of the batch are within bounds. */
    static bool addressable(const Noise& noise, const Shape& shape);

  private:
    /** Global index of sample b. */
    std::uint64_t index(std::size_t b) const {
        return noise_.samples.empty() ? noise_.first + b : static_cast<std::uint64_t>(noise_.samples[b]);
    }

    const Noise& noise_;
    std::uint64_t size_, stride_;
};

/** Calls run(tile, number of the tile) for tiles of up to tileSize elements, the blocks of a sample one after
 * the other. */
template <typename Function>
void parallelSamples(const Shape& shape, double nanosecondsPerElement, const Function& run) {
    const double cost = static_cast<double>(shape.elements()) * nanosecondsPerElement;
    const std::size_t blocks = shape.blocks(), together = std::max<std::size_t>(1, tileSize / shape.size);
    if (blocks == 1)
        return parallelTiles((shape.count + together - 1) / together, cost, [&](std::size_t t) {
            run(Tile{t * together, std::min(together, shape.count - t * together), 0, shape.size}, t);
        });
    parallelTiles(shape.count * blocks, cost, [&](std::size_t t) {
        const std::size_t begin = t % blocks * tileSize;
        run(Tile{t / blocks, 1, begin, std::min(tileSize, shape.size - begin)}, t);
    });
}

/** Cuts a tile into pieces of up to pieceSize elements: run(piece, elements of the tile before it). */
template <typename Function>
void forPieces(const Tile& tile, const Function& run) {
    if (tile.size <= pieceSize) {
        const std::size_t together = pieceSize / tile.size;
        for (std::size_t b = 0; b < tile.samples; b += together)
            run(Tile{tile.sample + b, std::min(together, tile.samples - b), tile.begin, tile.size},
                b * tile.size);
        return;
    }
    for (std::size_t b = 0; b < tile.samples; ++b)
        for (std::size_t e = 0; e < tile.size; e += pieceSize)
            run(Tile{tile.sample + b, 1, tile.begin + e, std::min(pieceSize, tile.size - e)},
                b * tile.size + e);
}

/** Calls run(begin, end) for equal parts of [0, n), where samples do not matter. */
template <typename Function>
void parallelRange(std::size_t n, double nanosecondsPerElement, const Function& run) {
    parallelTiles((n + tileSize - 1) / tileSize, static_cast<double>(n) * nanosecondsPerElement,
                  [&](std::size_t t) { run(t * tileSize, std::min((t + 1) * tileSize, n)); });
}

}  // namespace fastsde
