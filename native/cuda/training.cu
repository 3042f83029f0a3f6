// Noised data with what a network should say of them, and steps of AdamW with averages of the parameters.
#include "../adamw.h"
#include "kernel.h"

namespace fastsde::cuda {
namespace {

/** Element e of clean sample b, mirrored within its row where the sample is. */
FASTSDE_DEVICE float cleanAt(const DiffuseParameters& p, size_t b, size_t e) {
    if (p.flips != nullptr && p.flips[b] != 0) {
        const size_t column = e % p.width;
        e += p.width - 1 - 2 * column;
    }
    const size_t i = b * p.extent.size + e;
    return p.bytes == nullptr ? p.floats[i] : multiplyAdd(toFloat(p.bytes[i]), p.scale, p.shift);
}

struct Coefficients {
    float c[4];

    FASTSDE_MEMBER Coefficients(const Rows& rows, size_t b) {
        FASTSDE_UNROLL
        for (unsigned int j = 0; j < 4; ++j) c[j] = static_cast<float>(coefficient(rows, b, 4, j));
    }
};

}  // namespace

FASTSDE_KERNEL(diffuse_vector, DiffuseParameters) {
    const Lanes at;
    if (at.first >= p.extent.size) return;
    for (size_t b = blockIdx.y; b < p.extent.count; b += gridDim.y) {
        const Coefficients row(p.rows, b);
        const QuadNormals normals(p.noise.key, noiseBegin(p.noise, p.extent.size, b) + at.first);
        FASTSDE_UNROLL
        for (int w = 0; w < 4; ++w) {
            const size_t element = at.first + w * lanes, i = b * p.extent.size + element;
            if (element >= p.extent.size) continue;
            Quad x, target;
            FASTSDE_UNROLL
            for (int l = 0; l < 4; ++l) {
                const float x0 = cleanAt(p, b, element + l), z = normals.z[w].v[l];
                x.v[l] = multiplyAdd(row.c[1], z, multiply(row.c[0], x0));
                target.v[l] = multiplyAdd(row.c[3], z, multiply(row.c[2], x0));
            }
            putQuad(p.x + i, x);
            if (p.target != nullptr) putQuad(p.target + i, target);
        }
    }
}

FASTSDE_KERNEL(diffuse_scalar, DiffuseParameters) {
    const size_t i = threadNumber();
    if (i >= p.extent.count * p.extent.size) return;
    const size_t b = i / p.extent.size, e = i % p.extent.size;
    const Coefficients row(p.rows, b);
    const float x0 = cleanAt(p, b, e), z = normalAt(p.noise.key, noiseBegin(p.noise, p.extent.size, b) + e);
    p.x[i] = multiplyAdd(row.c[1], z, multiply(row.c[0], x0));
    if (p.target != nullptr) p.target[i] = multiplyAdd(row.c[3], z, multiply(row.c[2], x0));
}

/** One thread. */
FASTSDE_KERNEL(clip_scale, ClipScaleParameters) {
    *p.scale = static_cast<float>(clipScale(p.squares, p.count, p.limit));
}

FASTSDE_KERNEL(adamw, AdamWParameters) {
    const size_t i = threadNumber();
    if (i >= p.count) return;
    AdamWStep c = p.step;
    if (p.scale != nullptr) c.gradientScale = *p.scale;
    float parameter = p.parameters[i];
    parameter = adamwElement(c, p.gradients[i], p.firstMoments[i], p.secondMoments[i], parameter);
    p.parameters[i] = parameter;
    for (unsigned int a = 0; a < p.averages; ++a)
        p.average[a][i] = averaged(p.decay[a], p.average[a][i], parameter);
}

/** More averages than go along with the step. */
FASTSDE_KERNEL(averages, AdamWParameters) {
    const size_t i = threadNumber();
    if (i >= p.count) return;
    const float parameter = p.parameters[i];
    for (unsigned int a = 0; a < p.averages; ++a)
        p.average[a][i] = averaged(p.decay[a], p.average[a][i], parameter);
}

}  // namespace fastsde::cuda
