// out = c0 x0 + c1 x1 + ... + cz z, left to right with fused multiply-adds. Vector form: 16-byte accesses, 4 bytes of traffic per
// array and element. Scalar form: an element a thread, of any batch. In double: the sum of the operands one at a time.
#include "kernel.h"

namespace fastsde::cuda {
namespace {

template <unsigned int operands>
FASTSDE_DEVICE void affineVector(const AffineParameters& p) {
    const Lanes at;
    if (at.first >= p.extent.size) return;
    for (size_t b = blockIdx.y; b < p.extent.count; b += gridDim.y) {
        float c[operands + 1];
        FASTSDE_UNROLL
        for (unsigned int j = 0; j <= operands; ++j)
            c[j] = static_cast<float>(coefficient(p.rows, b, operands + 1, j));
        const auto update = [&](const Quad* z) {
            FASTSDE_UNROLL
            for (int w = 0; w < 4; ++w) {
                const size_t element = at.first + w * lanes, i = b * p.extent.size + element;
                if (element >= p.extent.size) continue;
                Quad x[operands], sum, out;
                FASTSDE_UNROLL
                for (unsigned int j = 0; j < operands; ++j) x[j] = quadAt(p.x[j] + i);
                FASTSDE_UNROLL
                for (int l = 0; l < 4; ++l) {
                    float s = multiply(c[0], x[0].v[l]);
                    FASTSDE_UNROLL
                    for (unsigned int j = 1; j < operands; ++j) s = multiplyAdd(c[j], x[j].v[l], s);
                    sum.v[l] = s;
                    out.v[l] = z == nullptr ? s : multiplyAdd(c[operands], z[w].v[l], s);
                }
                if (p.mean != nullptr) putQuad(p.mean + i, sum);
                putQuad(p.out + i, out);
            }
        };
        if (!p.noisy) {
            update(nullptr);
            continue;
        }
        const QuadNormals normals(p.noise.key, noiseBegin(p.noise, p.extent.size, b) + at.first);
        update(normals.z);
    }
}

}  // namespace

FASTSDE_KERNEL(affine_vector_1, AffineParameters) { affineVector<1>(p); }
FASTSDE_KERNEL(affine_vector_2, AffineParameters) { affineVector<2>(p); }
FASTSDE_KERNEL(affine_vector_3, AffineParameters) { affineVector<3>(p); }
FASTSDE_KERNEL(affine_vector_4, AffineParameters) { affineVector<4>(p); }
FASTSDE_KERNEL(affine_vector_5, AffineParameters) { affineVector<5>(p); }
FASTSDE_KERNEL(affine_vector_6, AffineParameters) { affineVector<6>(p); }
FASTSDE_KERNEL(affine_vector_7, AffineParameters) { affineVector<7>(p); }
FASTSDE_KERNEL(affine_vector_8, AffineParameters) { affineVector<8>(p); }

FASTSDE_KERNEL(affine_scalar, AffineParameters) {
    const size_t i = threadNumber();
    if (i >= p.extent.count * p.extent.size) return;
    const size_t b = i / p.extent.size;
    float s = 0;
    FASTSDE_UNROLL
    for (unsigned int j = 0; j < maxOperands; ++j) {
        if (j == p.operands) break;
        const float c = static_cast<float>(coefficient(p.rows, b, p.operands + 1, j)), x = p.x[j][i];
        s = j == 0 ? multiply(c, x) : multiplyAdd(c, x, s);
    }
    float out = s;
    if (p.noisy) {
        const uint64_t flat = noiseBegin(p.noise, p.extent.size, b) + i % p.extent.size;
        const float c = static_cast<float>(coefficient(p.rows, b, p.operands + 1, p.operands));
        out = multiplyAdd(c, normalAt(p.noise.key, flat), s);
    }
    if (p.mean != nullptr) p.mean[i] = s;
    p.out[i] = out;
}

FASTSDE_KERNEL(affine_double, AffineDoubleParameters) {
    const size_t i = threadNumber();
    if (i >= p.extent.count * p.extent.size) return;
    const size_t b = i / p.extent.size;
    double s = 0;
    FASTSDE_UNROLL
    for (unsigned int j = 0; j < maxOperands; ++j) {
        if (j == p.operands) break;
        const double x = (p.doubles >> j & 1) != 0 ? static_cast<const double*>(p.x[j])[i]
                                                   : static_cast<double>(static_cast<const float*>(p.x[j])[i]);
        s = multiplyAdd(coefficient(p.rows, b, p.operands + 1, j), x, s);
    }
    double out = s;
    if (p.noisy) {
        const uint64_t flat = noiseBegin(p.noise, p.extent.size, b) + i % p.extent.size;
        const double c = coefficient(p.rows, b, p.operands + 1, p.operands);
        out = multiplyAdd(c, static_cast<double>(normalAt(p.noise.key, flat)), s);
    }
    if (p.mean != nullptr) p.mean[i] = s;
    p.out[i] = out;
}

}  // namespace fastsde::cuda
