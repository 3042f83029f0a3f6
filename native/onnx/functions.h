// The part of the C interface of ONNX Runtime that fastsde uses, declared in own words. OrtGetApiBase()->GetApi(version)
// returns a table of functions that only ever grows: a place, once given to a function, stays its own. So places are
// facts, and the library that is found at run time needs no header at compile time. scripts/onnxruntime-places.mjs
// checks the places against a header.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fastsde::onnx {

// What the functions hand out, opaque.
struct Status;
struct Environment;
struct Options;
struct Model;  // OrtSession
struct RunOptions;
struct Value;
struct MemoryInfo;
struct CudaOptions;  // OrtCUDAProviderOptionsV2
struct Allocator;
struct TypeInfo;
struct TensorInfo;
struct Operators;  // OrtCustomOpDomain
struct Operator;   // OrtCustomOp, declared in operators.cc
struct KernelInfo;
struct KernelContext;
struct ShapeContext;  // OrtShapeInferContext

/** Newest function below: version 1.17; the table that is asked for is that of the oldest library in range. */
#define FASTSDE_ONNX_FUNCTIONS(FUNCTION)                                                                     \
    FUNCTION(CreateStatus, 0, Status*, (int code, const char* message))                                      \
    FUNCTION(GetErrorMessage, 2, const char*, (const Status*))                                               \
    FUNCTION(CreateEnv, 3, Status*, (int logLevel, const char* name, Environment** out))                     \
    FUNCTION(CreateSession, 7, Status*, (Environment*, const char* path, const Options*, Model** out))       \
    FUNCTION(CreateSessionFromArray, 8, Status*,                                                             \
             (Environment*, const void* bytes, std::size_t length, const Options*, Model** out))             \
    FUNCTION(Run, 9, Status*,                                                                                \
             (Model*, const RunOptions*, const char* const* inputNames, const Value* const* inputs,          \
              std::size_t inputCount, const char* const* outputNames, std::size_t outputCount,               \
              Value** outputs))                                                                              \
    FUNCTION(CreateSessionOptions, 10, Status*, (Options * *out))                                            \
    FUNCTION(SetOptimizedModelFilePath, 11, Status*, (Options*, const char* path))                           \
    FUNCTION(DisableMemPattern, 17, Status*, (Options*))                                                     \
    FUNCTION(SetSessionLogSeverityLevel, 22, Status*, (Options*, int level))                                 \
    FUNCTION(SetSessionGraphOptimizationLevel, 23, Status*, (Options*, int level))                           \
    FUNCTION(SetIntraOpNumThreads, 24, Status*, (Options*, int threads))                                     \
    FUNCTION(CreateCustomOpDomain, 26, Status*, (const char* name, Operators** out))                         \
    FUNCTION(CustomOpDomain_Add, 27, Status*, (Operators*, const Operator*))                                 \
    FUNCTION(AddCustomOpDomain, 28, Status*, (Options*, Operators*))                                         \
    FUNCTION(SessionGetInputCount, 30, Status*, (const Model*, std::size_t* out))                            \
    FUNCTION(SessionGetOutputCount, 31, Status*, (const Model*, std::size_t* out))                           \
    FUNCTION(SessionGetInputTypeInfo, 33, Status*, (const Model*, std::size_t index, TypeInfo** out))        \
    FUNCTION(SessionGetOutputTypeInfo, 34, Status*, (const Model*, std::size_t index, TypeInfo** out))       \
    FUNCTION(SessionGetInputName, 36, Status*, (const Model*, std::size_t index, Allocator*, char** out))    \
    FUNCTION(SessionGetOutputName, 37, Status*, (const Model*, std::size_t index, Allocator*, char** out))   \
    FUNCTION(CreateRunOptions, 39, Status*, (RunOptions * *out))                                             \
    FUNCTION(RunOptionsSetTerminate, 46, Status*, (RunOptions*))                                             \
    FUNCTION(CreateTensorWithDataAsOrtValue, 49, Status*,                                                    \
             (const MemoryInfo*, void* data, std::size_t bytes, const std::int64_t* shape, std::size_t rank, \
              int type, Value** out))                                                                        \
    FUNCTION(GetTensorMutableData, 51, Status*, (Value*, void** out))                                        \
    FUNCTION(CastTypeInfoToTensorInfo, 55, Status*, (const TypeInfo*, const TensorInfo** out))               \
    FUNCTION(GetTensorElementType, 60, Status*, (const TensorInfo*, int* out))                               \
    FUNCTION(GetDimensionsCount, 61, Status*, (const TensorInfo*, std::size_t* out))                         \
    FUNCTION(GetDimensions, 62, Status*, (const TensorInfo*, std::int64_t* out, std::size_t rank))           \
    FUNCTION(GetSymbolicDimensions, 63, Status*, (const TensorInfo*, const char** out, std::size_t rank))    \
    FUNCTION(GetTensorTypeAndShape, 65, Status*, (const Value*, TensorInfo** out))                           \
    FUNCTION(CreateMemoryInfo, 68, Status*,                                                                  \
             (const char* name, int allocator, int device, int memory, MemoryInfo** out))                    \
    FUNCTION(AllocatorFree, 76, Status*, (Allocator*, void*))                                                \
    FUNCTION(GetAllocatorWithDefaultOptions, 78, Status*, (Allocator * *out))                                \
    FUNCTION(KernelInfoGetAttribute_float, 85, Status*, (const KernelInfo*, const char* name, float* out))   \
    FUNCTION(KernelInfoGetAttribute_int64, 86, Status*,                                                      \
             (const KernelInfo*, const char* name, std::int64_t* out))                                       \
    FUNCTION(KernelContext_GetInput, 90, Status*,                                                            \
             (const KernelContext*, std::size_t index, const Value** out))                                   \
    FUNCTION(KernelContext_GetOutput, 91, Status*,                                                           \
             (KernelContext*, std::size_t index, const std::int64_t* shape, std::size_t rank, Value** out))  \
    FUNCTION(ReleaseStatus, 93, void, (Status*))                                                             \
    FUNCTION(ReleaseSession, 95, void, (Model*))                                                             \
    FUNCTION(ReleaseValue, 96, void, (Value*))                                                               \
    FUNCTION(ReleaseRunOptions, 97, void, (RunOptions*))                                                     \
    FUNCTION(ReleaseTypeInfo, 98, void, (TypeInfo*))                                                         \
    FUNCTION(ReleaseTensorTypeAndShapeInfo, 99, void, (TensorInfo*))                                         \
    FUNCTION(ReleaseSessionOptions, 100, void, (Options*))                                                   \
    FUNCTION(AddSessionConfigEntry, 130, Status*, (Options*, const char* key, const char* value)) \
    FUNCTION(AddRunConfigEntry, 165, Status*, (RunOptions*, const char* key, const char* value))             \
    FUNCTION(SessionOptionsAppendExecutionProvider_CUDA_V2, 204, Status*, (Options*, const CudaOptions*))    \
    FUNCTION(CreateCUDAProviderOptions, 205, Status*, (CudaOptions * *out))                                  \
    FUNCTION(UpdateCUDAProviderOptions, 206, Status*,                                                        \
             (CudaOptions*, const char* const* keys, const char* const* values, std::size_t count))          \
    FUNCTION(ReleaseCUDAProviderOptions, 208, void, (CudaOptions*))                                          \
    FUNCTION(ShapeInferContext_GetInputTypeShape, 268, Status*,                                              \
             (const ShapeContext*, std::size_t index, TensorInfo** out))                                     \
    FUNCTION(ShapeInferContext_SetOutputTypeShape, 270, Status*,                                             \
             (const ShapeContext*, std::size_t index, const TensorInfo*))

struct Functions {
#define FASTSDE_MEMBER(name, place, result, parameters) result(*name) parameters = nullptr;
    FASTSDE_ONNX_FUNCTIONS(FASTSDE_MEMBER)
#undef FASTSDE_MEMBER

    Functions() = default;

    explicit Functions(void* const* table) {
#define FASTSDE_TAKE(name, place, result, parameters) \
    name = reinterpret_cast<result(*) parameters>(table[place]);
        FASTSDE_ONNX_FUNCTIONS(FASTSDE_TAKE)
#undef FASTSDE_TAKE
    }
};

}  // namespace fastsde::onnx
