#include "session.h"

#include <mutex>

#include "operators.h"

namespace fastsde::onnx {
namespace {

constexpr int fatal = 4;  // what fails is thrown, not printed as well

const Functions& functions() { return library().functions; }

void appendCuda(Options* options, const CudaProvider& cuda) {
    const Functions& f = functions();
    CudaOptions* provider = nullptr;
    check(f.CreateCUDAProviderOptions(&provider));
    const CudaOptionsPointer owner(provider);
    const std::string stream = std::to_string(reinterpret_cast<std::uintptr_t>(cuda.stream));
    const char* const keys[] = {"device_id", "use_tf32", "has_user_compute_stream", "user_compute_stream"};
    const char* const values[] = {"0", cuda.tf32 ? "1" : "0", "1", stream.c_str()};
    check(f.UpdateCUDAProviderOptions(provider, keys, values, cuda.stream == nullptr ? 2 : 4));
    check(f.SessionOptionsAppendExecutionProvider_CUDA_V2(options, provider));
}

OptionsPointer optionsOf(const Settings& settings) {
    const Functions& f = functions();
    Options* options = nullptr;
    check(f.CreateSessionOptions(&options));
    OptionsPointer owner(options);
    check(f.SetSessionLogSeverityLevel(options, fatal));
    check(f.SetSessionGraphOptimizationLevel(options, settings.optimization));
    if (settings.threads > 0) check(f.SetIntraOpNumThreads(options, settings.threads));
    if (!settings.memoryPattern) check(f.DisableMemPattern(options));
    if (!settings.optimizedModelPath.empty())
        check(f.SetOptimizedModelFilePath(options, settings.optimizedModelPath.c_str()));
    if (settings.cuda) appendCuda(options, *settings.cuda);
    if (settings.ownOperators) check(f.AddCustomOpDomain(options, operators()));
    for (const auto& [key, value] : settings.entries)
        check(f.AddSessionConfigEntry(options, key.c_str(), value.c_str()));
    return owner;
}

/**
 * Makes a session, the first ones one after the other: with the first, ONNX Runtime enters the domain of our operators into a table of the
 * process, which it does not guard.
 */
template <typename Create>
ModelPointer create(const Create& make) {
    static std::mutex entering;
    static std::atomic<bool> isEntered = false;
    std::unique_lock lock(entering, std::defer_lock);
    if (!isEntered.load()) lock.lock();
    Model* model = nullptr;
    check(make(&model));
    isEntered.store(true);
    return ModelPointer(model);
}

std::string takeName(char* name, Allocator* allocator) {
    const std::string result = name;
    check(functions().AllocatorFree(allocator, name));
    return result;
}

/** Element type and shape; type `none` for what is no tensor. */
Port portOf(std::string name, TypeInfo* info) {
    const TypeInfoPointer owner(info);
    Port port{std::move(name), ElementType::none, {}, {}};
    const TensorInfo* tensor = nullptr;
    check(functions().CastTypeInfoToTensorInfo(info, &tensor));
    if (tensor == nullptr) return port;
    int type = 0;
    std::size_t rank = 0;
    check(functions().GetTensorElementType(tensor, &type));
    check(functions().GetDimensionsCount(tensor, &rank));
    port.type = static_cast<ElementType>(type);
    port.shape.resize(rank);
    std::vector<const char*> symbols(rank);
    check(functions().GetDimensions(tensor, port.shape.data(), rank));
    check(functions().GetSymbolicDimensions(tensor, symbols.data(), rank));
    for (const char* symbol : symbols) port.symbols.emplace_back(symbol == nullptr ? "" : symbol);
    return port;
}

}  // namespace

std::size_t bytesOf(ElementType type) {
    switch (type) {
        case ElementType::uint8:
        case ElementType::int8:
        case ElementType::boolean:
            return 1;
        case ElementType::uint16:
        case ElementType::int16:
        case ElementType::float16:
            return 2;
        case ElementType::float32:
        case ElementType::int32:
        case ElementType::uint32:
            return 4;
        case ElementType::float64:
        case ElementType::int64:
        case ElementType::uint64:
            return 8;
        default:
            return 0;
    }
}

Call::Call(bool isTerminable) {
    if (!isTerminable) return;
    RunOptions* options = nullptr;
    check(functions().CreateRunOptions(&options));
    options_.reset(options);
}

Call::Slot Call::slot(std::size_t port, const Memory& memory) {
    static char nothing = 0;  // where an empty tensor lies
    Value* value = nullptr;
    check(functions().CreateTensorWithDataAsOrtValue(
        memory.isOnGpu ? library().gpuMemory : library().memory, memory.data == nullptr ? &nothing : memory.data, memory.bytes, memory.shape.data(),
        memory.shape.size(), static_cast<int>(memory.type), &value));
    return {port, ValuePointer(value)};
}

void Call::addInput(std::size_t port, const Memory& memory) { inputs_.push_back(slot(port, memory)); }

void Call::addOutput(std::size_t port, const std::optional<Memory>& memory) {
    outputs_.push_back(memory ? slot(port, *memory) : Slot{port, nullptr});
}

void Call::addKept(std::size_t port, std::shared_ptr<const Call> from, std::size_t i) {
    kept_.push_back({port, std::move(from), i});
}

void Call::clear() {
    inputs_.clear(), outputs_.clear(), kept_.clear();
    inputNames_.clear(), outputNames_.clear();
    given_.clear(), wanted_.clear();
}

void Call::leaveToStream() {
    check(functions().AddRunConfigEntry(options_.get(), "disable_synchronize_execution_providers", "1"));
}

void Call::terminate() {
    terminated_.store(true);
    check(functions().RunOptionsSetTerminate(options_.get()));
}

Result Call::output(std::size_t i) const {
    Value* value = outputs_[i].value.get();
    TensorInfo* info = nullptr;
    check(functions().GetTensorTypeAndShape(value, &info));
    const TensorInfoPointer owner(info);
    int type = 0;
    std::size_t rank = 0;
    check(functions().GetTensorElementType(info, &type));
    check(functions().GetDimensionsCount(info, &rank));
    Result result{nullptr, 0, static_cast<ElementType>(type), std::vector<std::int64_t>(rank)};
    check(functions().GetDimensions(info, result.shape.data(), rank));
    result.bytes = bytesOf(result.type);
    for (const std::int64_t size : result.shape) result.bytes *= static_cast<std::size_t>(size);
    void* data = nullptr;
    if (result.bytes > 0) check(functions().GetTensorMutableData(value, &data));
    result.data = data;
    return result;
}

Session::Session(const std::string& path, const Settings& settings) {
    model_ = create([&](Model** model) {
        return functions().CreateSession(library().environment, path.c_str(), optionsOf(settings).get(), model);
    });
    describe();
}

Session::Session(std::span<const std::byte> bytes, const Settings& settings) {
    model_ = create([&](Model** model) {
        return functions().CreateSessionFromArray(library().environment, bytes.data(), bytes.size(),
                                                  optionsOf(settings).get(), model);
    });
    describe();
}

void Session::describe() {
    const Functions& f = functions();
    Allocator* allocator = nullptr;
    check(f.GetAllocatorWithDefaultOptions(&allocator));
    std::size_t count = 0;
    check(f.SessionGetInputCount(model_.get(), &count));
    for (std::size_t i = 0; i < count; ++i) {
        char* name = nullptr;
        TypeInfo* info = nullptr;
        check(f.SessionGetInputName(model_.get(), i, allocator, &name));
        check(f.SessionGetInputTypeInfo(model_.get(), i, &info));
        inputs_.push_back(portOf(takeName(name, allocator), info));
    }
    check(f.SessionGetOutputCount(model_.get(), &count));
    for (std::size_t i = 0; i < count; ++i) {
        char* name = nullptr;
        TypeInfo* info = nullptr;
        check(f.SessionGetOutputName(model_.get(), i, allocator, &name));
        check(f.SessionGetOutputTypeInfo(model_.get(), i, &info));
        outputs_.push_back(portOf(takeName(name, allocator), info));
    }
}

void Session::run(Call& call) const {
    if (call.isTerminated()) throw RuntimeError("the call was terminated before it began");
    if (call.inputNames_.size() != call.inputs_.size() + call.kept_.size() ||
        call.outputNames_.size() != call.outputs_.size()) {
        for (const Call::Kept& kept : call.kept_)
            if (kept.from->outputs_[kept.output].value == nullptr)
                throw RuntimeError("what another run gives was not computed");
        for (const Call::Slot& slot : call.inputs_) {
            call.inputNames_.push_back(inputs_[slot.port].name.c_str());
            call.given_.push_back(slot.value.get());
        }
        // The first run of a call makes its values, which stay in their places.
        for (const Call::Kept& kept : call.kept_) {
            call.inputNames_.push_back(inputs_[kept.port].name.c_str());
            call.given_.push_back(kept.from->outputs_[kept.output].value.get());
        }
        for (const Call::Slot& slot : call.outputs_) {
            call.outputNames_.push_back(outputs_[slot.port].name.c_str());
            call.wanted_.push_back(slot.value.get());
        }
    }
    Status* status = functions().Run(model_.get(), call.options_.get(), call.inputNames_.data(), call.given_.data(),
                                     call.given_.size(), call.outputNames_.data(), call.wanted_.size(),
                                     call.wanted_.data());
    // On failure, too, some outputs may have been made.
    for (std::size_t i = 0; i < call.wanted_.size(); ++i)
        if (call.outputs_[i].value == nullptr) call.outputs_[i].value.reset(call.wanted_[i]);
    check(status);
}

void Call::run() { session_->run(*this); }

}  // namespace fastsde::onnx
