// Two forms of each kernel. Vector: a thread makes 4 lanes of a chunk (16 elements) with 16-byte accesses,
// for aligned arrays of samples that begin at a chunk and are a multiple of 4 long; 50 instructions and 12
// bytes per element, so memory bound. Scalar: a thread makes one block (4 elements, 16 apart) of any batch.
#include "launch.h"

namespace fastsde::cuda {
namespace {

constexpr int threads = 256;
constexpr size_t none = SIZE_MAX;

/** The chunks of a batch, counted from the one that its first element is in. */
struct Chunks {
    Batch batch;
    uint64_t first;    // index of that chunk in the noise
    size_t perSample;  // 0 where samples follow one another without gaps
    size_t skipped;    // elements of the first chunk before the batch
    size_t count;

    explicit Chunks(const Batch& b) : batch(b) {
        const uint64_t stride = sampleStride(b.size), begin = b.first * stride;
        first = begin / chunkSize;
        skipped = begin % chunkSize;
        perSample = b.size > chunkSize ? stride / chunkSize : 0;
        count = perSample > 0 ? b.samples * perSample
                              : (skipped + b.samples * b.size + chunkSize - 1) / chunkSize;
    }

    __device__ size_t sampleOf(size_t chunk, size_t i) const {
        return perSample > 0 ? chunk / perSample : i / batch.size;
    }

    /** Where element `offset` of a chunk lies in the batch, or none. */
    __device__ size_t index(size_t chunk, size_t offset) const {
        if (perSample == 0) {
            const size_t i = chunk * chunkSize + offset - skipped;  // wraps before the batch
            return i < batch.samples * batch.size ? i : none;
        }
        const size_t sample = chunk / perSample, element = chunk % perSample * chunkSize + offset;
        return element < batch.size ? sample * batch.size + element : none;
    }
};

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
__global__ void affineScalar(const Affine a, const Chunks chunks) {
    const uint64_t t = uint64_t{blockIdx.x} * blockDim.x + threadIdx.x, chunk = t / lanes, lane = t % lanes;
    if (chunk >= chunks.count) return;
    Block b{};
    if (a.noise) b = normalsOf(a.key, (chunks.first + chunk) * lanes + lane);
#pragma unroll
    for (int w = 0; w < 4; ++w) {
        const size_t i = chunks.index(chunk, w * lanes + lane);
        if (i == none) continue;
        const Row<operands> row(a.c + chunks.sampleOf(chunk, i) * (operands + 1));
        const float s = sum(a, row, i);
        if (a.mean != nullptr) a.mean[i] = s;
        a.out[i] = a.noise ? multiplyAdd(row.c[operands], b.z[w], s) : s;
    }
}

template <int operands>
__global__ void affineVector(const Affine a, const Chunks chunks) {
    const uint64_t t = uint64_t{blockIdx.x} * blockDim.x + threadIdx.x, chunk = t / 4;
    const int lane = static_cast<int>(t % 4) * 4;
    if (chunk >= chunks.count) return;
    Block b[4] = {};
    if (a.noise) {
#pragma unroll
        for (int l = 0; l < 4; ++l) b[l] = normalsOf(a.key, (chunks.first + chunk) * lanes + lane + l);
    }
    const Row<operands> row(a.c + chunk / chunks.perSample * (operands + 1));
#pragma unroll
    for (int w = 0; w < 4; ++w) {
        const size_t i = chunks.index(chunk, w * lanes + lane);
        if (i == none) continue;
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

__global__ void normalScalar(float* out, const NoiseKey key, const Chunks chunks) {
    const uint64_t t = uint64_t{blockIdx.x} * blockDim.x + threadIdx.x, chunk = t / lanes, lane = t % lanes;
    if (chunk >= chunks.count) return;
    const Block b = normalsOf(key, (chunks.first + chunk) * lanes + lane);
#pragma unroll
    for (int w = 0; w < 4; ++w) {
        const size_t i = chunks.index(chunk, w * lanes + lane);
        if (i != none) out[i] = b.z[w];
    }
}

__global__ void normalVector(float* out, const NoiseKey key, const Chunks chunks) {
    const uint64_t t = uint64_t{blockIdx.x} * blockDim.x + threadIdx.x, chunk = t / 4;
    const int lane = static_cast<int>(t % 4) * 4;
    if (chunk >= chunks.count) return;
    Block b[4];
#pragma unroll
    for (int l = 0; l < 4; ++l) b[l] = normalsOf(key, (chunks.first + chunk) * lanes + lane + l);
#pragma unroll
    for (int w = 0; w < 4; ++w) {
        const size_t i = chunks.index(chunk, w * lanes + lane);
        if (i != none)
            *reinterpret_cast<float4*>(out + i) = make_float4(b[0].z[w], b[1].z[w], b[2].z[w], b[3].z[w]);
    }
}

bool aligned(const void* pointer) { return reinterpret_cast<uintptr_t>(pointer) % 16 == 0; }

/** Thread blocks for the vector form, 4 threads per chunk, or the scalar form, 16. */
unsigned int blocksFor(const Chunks& chunks, bool vector) {
    return static_cast<unsigned int>((chunks.count * (vector ? 4 : lanes) + threads - 1) / threads);
}

template <int operands>
void launch(const Affine& a, const Chunks& chunks, bool vector, cudaStream_t stream) {
    const unsigned int blocks = blocksFor(chunks, vector);
    if (vector)
        affineVector<operands><<<blocks, threads, 0, stream>>>(a, chunks);
    else
        affineScalar<operands><<<blocks, threads, 0, stream>>>(a, chunks);
}

using Launch = void (*)(const Affine&, const Chunks&, bool, cudaStream_t);
constexpr Launch launchByCount[] = {launch<1>, launch<2>, launch<3>, launch<4>,
                                    launch<5>, launch<6>, launch<7>, launch<8>};
static_assert(sizeof launchByCount / sizeof launchByCount[0] == maxOperands);

}  // namespace

cudaError_t fillNormal(float* out, const Batch& batch, const NoiseKey& key, cudaStream_t stream) {
    if (batch.samples == 0 || batch.size == 0) return cudaSuccess;
    const Chunks chunks(batch);
    const bool vector = chunks.perSample > 0 && batch.size % 4 == 0 && aligned(out);
    const unsigned int blocks = blocksFor(chunks, vector);
    if (vector)
        normalVector<<<blocks, threads, 0, stream>>>(out, key, chunks);
    else
        normalScalar<<<blocks, threads, 0, stream>>>(out, key, chunks);
    return cudaGetLastError();
}

cudaError_t affine(const Affine& a, cudaStream_t stream) {
    if (a.operands < 1 || a.operands > static_cast<int>(maxOperands)) return cudaErrorInvalidValue;
    if (a.batch.samples == 0 || a.batch.size == 0) return cudaSuccess;
    const Chunks chunks(a.batch);
    bool vector = chunks.perSample > 0 && a.batch.size % 4 == 0 && aligned(a.out) && aligned(a.mean);
    for (int j = 0; j < a.operands; ++j) vector = vector && aligned(a.x[j]);
    launchByCount[a.operands - 1](a, chunks, vector, stream);
    return cudaGetLastError();
}

}  // namespace fastsde::cuda
