// Two forms of each kernel. Vector: a thread makes 4 lanes of a chunk (16 elements) with 16-byte accesses,
// for aligned arrays and samples of whole chunks; 50 instructions and 12 bytes per element, so memory bound.
// Scalar: a thread makes one block (4 elements, 16 apart) of any range.
#include "launch.h"

namespace fastsde::cuda {
namespace {

constexpr int threads = 256;

struct Block {
    float z[4];
};

__device__ Block normalsOf(const NoiseKey& key, uint64_t block) {
    const Words w = noiseWords(key, static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32));
    Block b;
    normalPair(w.w[0], w.w[1], b.z[0], b.z[1]);
    normalPair(w.w[2], w.w[3], b.z[2], b.z[3]);
    return b;
}

template <int operands>
struct Row {
    float c[operands + 1];

    __device__ explicit Row(const float* row) {
#pragma unroll
        for (int j = 0; j <= operands; ++j) c[j] = row[j];
    }
};

template <int operands>
__device__ float sum(const Affine& a, const Row<operands>& row, size_t i) {
    float s = multiply(row.c[0], a.x[0][i]);
#pragma unroll
    for (int j = 1; j < operands; ++j) s = multiplyAdd(row.c[j], a.x[j][i], s);
    return s;
}

__device__ float& component(float4& v, int i) { return (&v.x)[i]; }

template <int operands>
__global__ void affineScalar(const Affine a) {
    const uint64_t firstChunk = a.first / chunkSize, t = uint64_t{blockIdx.x} * blockDim.x + threadIdx.x;
    const uint64_t chunk = firstChunk + t / lanes, lane = t % lanes;
    Block b{};
    if (a.noise) b = normalsOf(a.key, chunk * lanes + lane);
#pragma unroll
    for (int w = 0; w < 4; ++w) {
        const uint64_t g = chunk * chunkSize + w * lanes + lane, i = g - a.first;
        if (g < a.first || i >= a.n) continue;
        const Row<operands> row(a.c + i / a.size * (operands + 1));
        const float s = sum(a, row, i);
        if (a.mean != nullptr) a.mean[i] = s;
        a.out[i] = a.noise ? multiplyAdd(row.c[operands], b.z[w], s) : s;
    }
}

template <int operands>
__global__ void affineVector(const Affine a) {
    const uint64_t t = uint64_t{blockIdx.x} * blockDim.x + threadIdx.x, chunk = t / 4;
    const int lane = static_cast<int>(t % 4) * 4;
    if (chunk * chunkSize >= a.n) return;
    Block b[4] = {};
    if (a.noise) {
#pragma unroll
        for (int l = 0; l < 4; ++l) b[l] = normalsOf(a.key, (a.first / chunkSize + chunk) * lanes + lane + l);
    }
    const Row<operands> row(a.c + chunk * chunkSize / a.size * (operands + 1));
#pragma unroll
    for (int w = 0; w < 4; ++w) {
        const size_t i = chunk * chunkSize + w * lanes + lane;
        float4 s, out;
        float4 x[operands];
#pragma unroll
        for (int j = 0; j < operands; ++j) x[j] = *reinterpret_cast<const float4*>(a.x[j] + i);
#pragma unroll
        for (int l = 0; l < 4; ++l) {
            float v = multiply(row.c[0], component(x[0], l));
#pragma unroll
            for (int j = 1; j < operands; ++j) v = multiplyAdd(row.c[j], component(x[j], l), v);
            component(s, l) = v;
            component(out, l) = a.noise ? multiplyAdd(row.c[operands], b[l].z[w], v) : v;
        }
        if (a.mean != nullptr) *reinterpret_cast<float4*>(a.mean + i) = s;
        *reinterpret_cast<float4*>(a.out + i) = out;
    }
}

__global__ void normalScalar(float* out, size_t n, const NoiseKey key, uint64_t first) {
    const uint64_t t = uint64_t{blockIdx.x} * blockDim.x + threadIdx.x;
    const uint64_t chunk = first / chunkSize + t / lanes, lane = t % lanes;
    const Block b = normalsOf(key, chunk * lanes + lane);
#pragma unroll
    for (int w = 0; w < 4; ++w) {
        const uint64_t g = chunk * chunkSize + w * lanes + lane;
        if (g >= first && g - first < n) out[g - first] = b.z[w];
    }
}

__global__ void normalVector(float* out, size_t n, const NoiseKey key, uint64_t first) {
    const uint64_t t = uint64_t{blockIdx.x} * blockDim.x + threadIdx.x, chunk = t / 4;
    const int lane = static_cast<int>(t % 4) * 4;
    if (chunk * chunkSize >= n) return;
    Block b[4];
#pragma unroll
    for (int l = 0; l < 4; ++l) b[l] = normalsOf(key, (first / chunkSize + chunk) * lanes + lane + l);
#pragma unroll
    for (int w = 0; w < 4; ++w)
        *reinterpret_cast<float4*>(out + chunk * chunkSize + w * lanes + lane) =
            make_float4(b[0].z[w], b[1].z[w], b[2].z[w], b[3].z[w]);
}

bool aligned(const void* pointer) { return reinterpret_cast<uintptr_t>(pointer) % 16 == 0; }

/** Thread blocks for the vector form (4 threads per chunk) or the scalar form (16, with a ragged chunk at
 * both ends). */
unsigned int blocksFor(size_t n, uint64_t first, bool vector) {
    const uint64_t chunks = (first % chunkSize + n + chunkSize - 1) / chunkSize;
    return static_cast<unsigned int>((chunks * (vector ? 4 : lanes) + threads - 1) / threads);
}

template <int operands>
void launch(const Affine& a, bool vector, cudaStream_t stream) {
    const unsigned int blocks = blocksFor(a.n, a.first, vector);
    if (vector)
        affineVector<operands><<<blocks, threads, 0, stream>>>(a);
    else
        affineScalar<operands><<<blocks, threads, 0, stream>>>(a);
}

using Launch = void (*)(const Affine&, bool, cudaStream_t);
constexpr Launch launchByCount[] = {launch<1>, launch<2>, launch<3>, launch<4>,
                                    launch<5>, launch<6>, launch<7>, launch<8>};
static_assert(sizeof launchByCount / sizeof launchByCount[0] == maxOperands);

}  // namespace

cudaError_t fillNormal(float* out, size_t n, const NoiseKey& key, uint64_t first, cudaStream_t stream) {
    if (n == 0) return cudaSuccess;
    const bool vector = first % chunkSize == 0 && n % chunkSize == 0 && aligned(out);
    const unsigned int blocks = blocksFor(n, first, vector);
    if (vector)
        normalVector<<<blocks, threads, 0, stream>>>(out, n, key, first);
    else
        normalScalar<<<blocks, threads, 0, stream>>>(out, n, key, first);
    return cudaGetLastError();
}

cudaError_t affine(const Affine& a, cudaStream_t stream) {
    if (a.operands < 1 || a.operands > static_cast<int>(maxOperands)) return cudaErrorInvalidValue;
    if (a.n == 0) return cudaSuccess;
    bool vector = a.first % chunkSize == 0 && a.size % chunkSize == 0 && aligned(a.out) && aligned(a.mean);
    for (int j = 0; j < a.operands; ++j) vector = vector && aligned(a.x[j]);
    launchByCount[a.operands - 1](a, vector, stream);
    return cudaGetLastError();
}

}  // namespace fastsde::cuda
