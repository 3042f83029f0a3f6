// The ONNX Runtime library of this process: one, whoever loaded it.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>

#include "functions.h"

namespace fastsde::onnx {

/** A library that cannot be used: which one, why, and what to do. */
struct LibraryError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/** What ONNX Runtime says of a call that failed. */
struct RuntimeError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct Library {
    std::string path;
    std::string version;
    Functions functions;
    Environment* environment;
    const MemoryInfo* memory;     // the host's
    const MemoryInfo* gpuMemory;  // of the first GPU
};

/**
 * The library that the process has loaded already, else the one at `asked`, else the one at `otherwise`; paths of files, or
 * empty. Once opened it stays, and so does its environment, which is one for the process.
 * @throws LibraryError where it cannot be loaded, is of another version than oldestVersion to newestVersion, or is not the one that
 *   was asked for.
 */
const Library& openLibrary(const std::string& asked, const std::string& otherwise);

/** Opens a library for all that ask for it by name; one that cannot be loaded is left to them. */
void loadLibrary(const std::string& path);

/** The library, which must be open. */
const Library& library();

/** @throws RuntimeError with the message of a status that is an error, which is released. */
void check(Status* status);

template <typename T, void (*Functions::*release)(T*)>
struct Release {
    void operator()(T* object) const { (library().functions.*release)(object); }
};

// What ONNX Runtime hands out, each with the function that takes it back.
using OptionsPointer = std::unique_ptr<Options, Release<Options, &Functions::ReleaseSessionOptions>>;
using CudaOptionsPointer = std::unique_ptr<CudaOptions, Release<CudaOptions, &Functions::ReleaseCUDAProviderOptions>>;
using ModelPointer = std::unique_ptr<Model, Release<Model, &Functions::ReleaseSession>>;
using RunOptionsPointer = std::unique_ptr<RunOptions, Release<RunOptions, &Functions::ReleaseRunOptions>>;
using ValuePointer = std::unique_ptr<Value, Release<Value, &Functions::ReleaseValue>>;
using TypeInfoPointer = std::unique_ptr<TypeInfo, Release<TypeInfo, &Functions::ReleaseTypeInfo>>;
using TensorInfoPointer =
    std::unique_ptr<TensorInfo, Release<TensorInfo, &Functions::ReleaseTensorTypeAndShapeInfo>>;

}  // namespace fastsde::onnx
