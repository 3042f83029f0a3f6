// The update x = sum of coefficients times arrays plus noise, of a tile, for the operations that end in one.
#pragma once

#include "operations.h"

namespace fastsde {

struct AffineUpdate {
    const Kernels& kernels;
    const Shape& shape;
    const Array& out;
    std::span<const Array> operands;
    std::optional<Array> mean;

    /** With the noise z of the tile, null for none; `rows` are the coefficients of the samples of the tile.
     */
    void apply(const Tile& tile, const double* rows, const float* z) const;

    /** With noise that is made on the way. */
    void apply(const Tile& tile, const double* rows, const BatchNoise& noise) const;

  private:
    Combination at(const Tile& tile) const;
};

}  // namespace fastsde
