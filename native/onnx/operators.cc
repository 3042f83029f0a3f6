#include "operators.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include "../isa.h"
#include "library.h"

namespace fastsde::onnx {

/** The table by which ONNX Runtime calls an operator, in the form of its version 1.17 (OrtCustomOp). */
struct Operator {
    std::uint32_t version;
    void* (*createKernelBefore)(const Operator*, const void* api, const KernelInfo*);
    const char* (*name)(const Operator*);
    const char* (*provider)(const Operator*);
    int (*inputType)(const Operator*, std::size_t);
    std::size_t (*inputCount)(const Operator*);
    int (*outputType)(const Operator*, std::size_t);
    std::size_t (*outputCount)(const Operator*);
    void (*computeBefore)(void* kernel, KernelContext*);
    void (*destroy)(void* kernel);
    int (*inputCharacteristic)(const Operator*, std::size_t);
    int (*outputCharacteristic)(const Operator*, std::size_t);
    int (*inputMemory)(const Operator*, std::size_t);
    int (*variadicInputs)(const Operator*);
    int (*homogeneousInputs)(const Operator*);
    int (*variadicOutputs)(const Operator*);
    int (*homogeneousOutputs)(const Operator*);
    Status* (*createKernel)(const Operator*, const void* api, const KernelInfo*, void** kernel);
    Status* (*compute)(void* kernel, KernelContext*);
    Status* (*inferShapes)(const Operator*, ShapeContext*);
    int (*firstVersion)(const Operator*);
    int (*lastVersion)(const Operator*);
};

namespace {

using Shape = std::vector<std::int64_t>;

const Functions& functions() { return library().functions; }

Shape shapeOf(const TensorInfo* info) {
    std::size_t rank = 0;
    check(functions().GetDimensionsCount(info, &rank));
    Shape shape(rank);
    check(functions().GetDimensions(info, shape.data(), rank));
    return shape;
}

std::size_t elements(const Shape& shape, std::size_t from = 0) {
    return std::accumulate(shape.begin() + static_cast<std::ptrdiff_t>(std::min(from, shape.size())), shape.end(),
                           std::size_t{1}, [](std::size_t n, std::int64_t size) { return n * static_cast<std::size_t>(size); });
}

struct Input {
    const float* data;
    Shape shape;
};

Input input(const KernelContext* context, std::size_t index) {
    const Value* value = nullptr;
    check(functions().KernelContext_GetInput(context, index, &value));
    TensorInfo* info = nullptr;
    check(functions().GetTensorTypeAndShape(value, &info));
    const TensorInfoPointer owner(info);
    void* data = nullptr;
    check(functions().GetTensorMutableData(const_cast<Value*>(value), &data));
    return {static_cast<const float*>(data), shapeOf(info)};
}

float* output(KernelContext* context, std::size_t index, const Shape& shape) {
    Value* value = nullptr;
    check(functions().KernelContext_GetOutput(context, index, shape.data(), shape.size(), &value));
    void* data = nullptr;
    check(functions().GetTensorMutableData(value, &data));
    return static_cast<float*>(data);
}

void require(bool isSo, const char* what) {
    if (!isSo) throw std::invalid_argument(what);
}

/** Exceptions end here: ONNX Runtime's own frames lie above. */
template <typename Work>
Status* guarded(const Work& work) noexcept {
    constexpr int failed = 1;
    try {
        work();
        return nullptr;
    } catch (const std::exception& error) {
        return functions().CreateStatus(failed, error.what());
    }
}

/** Output 0 has the shape of an input, where all sizes have a number or a name; nobody asks for the shapes of the others. */
void inferLike(ShapeContext* context, std::size_t index) {
    TensorInfo* info = nullptr;
    check(functions().ShapeInferContext_GetInputTypeShape(context, index, &info));
    const Shape shape = shapeOf(info);
    std::vector<const char*> names(shape.size());
    check(functions().GetSymbolicDimensions(info, names.data(), names.size()));
    // An unknown shape looks like that of a scalar, and of an unknown size the -1 would be taken for its value.
    if (shape.empty()) return;
    for (std::size_t axis = 0; axis < shape.size(); ++axis)
        if (shape[axis] < 0 && (names[axis] == nullptr || *names[axis] == '\0')) return;
    check(functions().ShapeInferContext_SetOutputTypeShape(context, 0, info));
}

constexpr std::size_t none = std::numeric_limits<std::size_t>::max();

std::size_t attribute(const KernelInfo* info, const char* name) {
    std::int64_t value = 0;
    check(functions().KernelInfoGetAttribute_int64(info, name, &value));
    require(value >= 0 && value <= std::numeric_limits<std::int32_t>::max(), "an attribute is out of range");
    return static_cast<std::size_t>(value);
}

struct SiLU {
    static constexpr const char* name = "SiLU";
    static constexpr std::size_t inputs = 1, outputs = 1, like = 0;

    explicit SiLU(const KernelInfo*) {}

    void compute(KernelContext* context) const {
        const Input x = input(context, 0);
        kernels().silu(x.data, output(context, 0, x.shape), elements(x.shape));
    }
};

struct SiLUGradient {
    static constexpr const char* name = "SiLUGradient";
    static constexpr std::size_t inputs = 2, outputs = 1, like = 1;

    explicit SiLUGradient(const KernelInfo*) {}

    void compute(KernelContext* context) const {
        const Input dy = input(context, 0), x = input(context, 1);
        require(dy.shape == x.shape, "SiLUGradient: dy must have the shape of x");
        kernels().siluGradient(dy.data, x.data, output(context, 0, x.shape), elements(x.shape));
    }
};

/** Attributes, and an image with its gain and offset. */
class Normalization {
  public:
    explicit Normalization(const KernelInfo* info) : epsilon_(0) {
        groups_ = attribute(info, "groups");
        silu_ = attribute(info, "silu") != 0;
        block_ = attribute(info, "block");
        check(functions().KernelInfoGetAttribute_float(info, "epsilon", &epsilon_));
        require(groups_ >= 1, "groups must be at least 1");
        require(block_ == 1 || block_ == 8 || block_ == 16, "block must be 1, 8 or 16");
        require(epsilon_ > 0, "epsilon must be above 0");
    }

  protected:
    struct Images {
        GroupNorm of;
        std::size_t count, size;
        const float *gain, *offset;
        std::size_t stride;  // from the gain and offset of a sample to those of the next
        std::vector<double> work;
    };

    Images images(const Shape& shape, const Input& gain, const Input& offset) const {
        require(shape.size() >= 2, "an image must have the shape [N, C, ...]");
        Images all{{}, static_cast<std::size_t>(shape[0]), elements(shape, 1), gain.data, offset.data, 0, {}};
        const auto channels = static_cast<std::size_t>(shape[1]);
        require(channels > 0 && channels % groups_ == 0 && channels % block_ == 0,
                "the channels must be a multiple of groups and of block");
        require(all.size > 0, "the image is empty");
        const std::size_t given = elements(gain.shape);
        require(given == elements(offset.shape) && (given == channels || given == all.count * channels),
                "gain and offset must have a number per channel, or per sample and channel");
        if (given > channels) all.stride = channels;
        all.work.resize(2 * groups_);
        all.of = {channels, groups_, all.size / channels, block_, epsilon_, silu_, all.work.data()};
        return all;
    }

    Shape statisticsShape(const Images& all) const {
        return {static_cast<std::int64_t>(all.count), static_cast<std::int64_t>(groups_), 2};
    }

    std::size_t groups() const { return groups_; }

  private:
    std::size_t groups_, block_;
    float epsilon_;
    bool silu_;
};

struct GroupNormalization : Normalization {
    static constexpr const char* name = "GroupNormalization";
    static constexpr std::size_t inputs = 3, outputs = 2, like = 0;

    using Normalization::Normalization;

    void compute(KernelContext* context) const {
        const Input x = input(context, 0);
        const Images all = images(x.shape, input(context, 1), input(context, 2));
        float* y = output(context, 0, x.shape);
        float* statistics = output(context, 1, statisticsShape(all));
        for (std::size_t n = 0; n < all.count; ++n)
            kernels().groupNorm(all.of, x.data + n * all.size, all.gain + n * all.stride, all.offset + n * all.stride,
                                y + n * all.size, statistics + n * 2 * groups());
    }
};

struct GroupNormalizationGradient : Normalization {
    static constexpr const char* name = "GroupNormalizationGradient";
    static constexpr std::size_t inputs = 5, outputs = 3, like = 1;

    using Normalization::Normalization;

    void compute(KernelContext* context) const {
        const Input dy = input(context, 0), x = input(context, 1), statistics = input(context, 4);
        const Images all = images(x.shape, input(context, 2), input(context, 3));
        require(dy.shape == x.shape, "GroupNormalizationGradient: dy must have the shape of x");
        require(statistics.shape == statisticsShape(all), "GroupNormalizationGradient: statistics of another image");
        Shape perChannel(x.shape.size(), 1);
        std::copy_n(x.shape.begin(), 2, perChannel.begin());
        float* dx = output(context, 0, x.shape);
        float* dgain = output(context, 1, perChannel);
        float* doffset = output(context, 2, perChannel);
        for (std::size_t n = 0; n < all.count; ++n) {
            const std::size_t place = n * all.size, row = n * all.stride, channel = n * all.of.channels;
            kernels().groupNormGradient(all.of, {dy.data + place, x.data + place, all.gain + row, all.offset + row,
                                                 statistics.data + n * 2 * groups(), dx + place, dgain + channel,
                                                 doffset + channel});
        }
    }
};

class ConvolutionWeightGradient {
  public:
    static constexpr const char* name = "ConvolutionWeightGradient";
    static constexpr std::size_t inputs = 2, outputs = 1, like = none;

    explicit ConvolutionWeightGradient(const KernelInfo* info) : of_{} {
        of_.block = attribute(info, "block");
        of_.inBlocks = attribute(info, "inBlocks") != 0;
        of_.filters = attribute(info, "filters");
        of_.kernelHeight = attribute(info, "kernelHeight");
        of_.kernelWidth = attribute(info, "kernelWidth");
        of_.strideY = attribute(info, "strideY");
        of_.strideX = attribute(info, "strideX");
        of_.dilationY = attribute(info, "dilationY");
        of_.dilationX = attribute(info, "dilationX");
        of_.top = attribute(info, "top");
        of_.left = attribute(info, "left");
        require(of_.block == 8 || of_.block == 16, "block must be 8 or 16");
        require(of_.strideY >= 1 && of_.strideX >= 1, "strides must be at least 1");
    }

    void compute(KernelContext* context) const {
        const Input x = input(context, 0), g = input(context, 1);
        require(x.shape.size() == 4 && g.shape.size() == 4 && x.shape[0] == g.shape[0],
                "ConvolutionWeightGradient: images must have the shape [N, C, H, W]");
        const auto size = [](const Input& image, std::size_t axis) { return static_cast<std::size_t>(image.shape[axis]); };
        WeightGradient of = of_;
        of.batch = size(x, 0);
        of.channels = size(x, 1);
        of.height = size(x, 2);
        of.width = size(x, 3);
        of.paddedFilters = size(g, 1);
        of.outHeight = size(g, 2);
        of.outWidth = size(g, 3);
        require(of.paddedFilters % of.block == 0 && (!of.inBlocks || of.channels % of.block == 0),
                "ConvolutionWeightGradient: filters, and channels in blocks, must be multiples of block");
        require(of.filters <= of.paddedFilters, "ConvolutionWeightGradient: the cotangent has fewer filters");
        const Shape weights = {static_cast<std::int64_t>(of.filters), x.shape[1], static_cast<std::int64_t>(of.kernelHeight),
                               static_cast<std::int64_t>(of.kernelWidth)};
        kernels().weightGradient(of, x.data, g.data, output(context, 0, weights));
    }

  private:
    WeightGradient of_;
};

template <typename Kernel>
const Operator* operatorOf() {
    constexpr int float32 = 1, required = 0, defaultMemory = 0;
    static constexpr Operator table = {
        .version = 17,
        .createKernelBefore = nullptr,
        .name = [](const Operator*) { return Kernel::name; },
        .provider = [](const Operator*) -> const char* { return nullptr; },
        .inputType = [](const Operator*, std::size_t) { return float32; },
        .inputCount = [](const Operator*) { return Kernel::inputs; },
        .outputType = [](const Operator*, std::size_t) { return float32; },
        .outputCount = [](const Operator*) { return Kernel::outputs; },
        .computeBefore = nullptr,
        .destroy = [](void* kernel) { std::unique_ptr<Kernel>(static_cast<Kernel*>(kernel)); },
        .inputCharacteristic = [](const Operator*, std::size_t) { return required; },
        .outputCharacteristic = [](const Operator*, std::size_t) { return required; },
        .inputMemory = [](const Operator*, std::size_t) { return defaultMemory; },
        .variadicInputs = [](const Operator*) { return 1; },
        .homogeneousInputs = [](const Operator*) { return 1; },
        .variadicOutputs = [](const Operator*) { return 1; },
        .homogeneousOutputs = [](const Operator*) { return 1; },
        .createKernel =
            [](const Operator*, const void*, const KernelInfo* info, void** kernel) {
                return guarded([&] { *kernel = std::make_unique<Kernel>(info).release(); });
            },
        .compute =
            [](void* kernel, KernelContext* context) {
                return guarded([&] { static_cast<const Kernel*>(kernel)->compute(context); });
            },
        .inferShapes = [](const Operator*, ShapeContext* context) { return guarded([&] {
                if constexpr (Kernel::like != none) inferLike(context, Kernel::like);
            }); },
        .firstVersion = [](const Operator*) { return 1; },
        .lastVersion = [](const Operator*) { return std::numeric_limits<int>::max(); },
    };
    return &table;
}

}  // namespace

Operators* operators() {
    static Operators* const domain = [] {
        Operators* made = nullptr;
        check(functions().CreateCustomOpDomain("fastsde", &made));  // for as long as the library, which stays
        for (const Operator* each : {operatorOf<SiLU>(), operatorOf<SiLUGradient>(), operatorOf<GroupNormalization>(),
                                     operatorOf<GroupNormalizationGradient>(), operatorOf<ConvolutionWeightGradient>()})
            check(functions().CustomOpDomain_Add(made, each));
        return made;
    }();
    return domain;
}

}  // namespace fastsde::onnx
