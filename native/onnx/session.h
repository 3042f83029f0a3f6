// A network in ONNX Runtime, and calls of it. No Node in here.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "library.h"

namespace fastsde::onnx {

/** Number of an element type in ONNX (TensorProto.DataType). */
enum class ElementType : int {
    none = 0,  // no tensor
    float32 = 1,
    uint8 = 2,
    int8 = 3,
    uint16 = 4,
    int16 = 5,
    int32 = 6,
    int64 = 7,
    boolean = 9,
    float16 = 10,
    float64 = 11,
    uint32 = 12,
    uint64 = 13,
};

/** Bytes of an element; 0 for a type of no fixed size. */
std::size_t bytesOf(ElementType type);

/** An input or output. */
struct Port {
    std::string name;
    ElementType type;
    std::vector<std::int64_t> shape;   // -1 where a size is not fixed
    std::vector<std::string> symbols;  // the name of each size that has one, else empty
};

/** The GPU as the place where a network runs. */
struct CudaProvider {
    void* stream = nullptr;  // of the driver, or null for one of ONNX Runtime's
    bool tf32 = false;       // products of 10 bits of mantissa, as fast as half precision
};

struct Settings {
    int threads = 0;        // inside an operator; 0 for those of ONNX Runtime
    int optimization = 99;  // GraphOptimizationLevel
    bool memoryPattern = false;
    std::string optimizedModelPath;                             // or empty
    bool ownOperators = true;                                   // those of ours are for the CPU
    std::optional<CudaProvider> cuda;
    std::vector<std::pair<std::string, std::string>> entries;  // of the session's configuration
};

/** A value in memory that somebody else keeps while a call lasts. */
struct Memory {
    void* data;
    std::size_t bytes;
    ElementType type;
    std::vector<std::int64_t> shape;
    bool isOnGpu = false;
};

/** A value that ONNX Runtime allocated. */
struct Result {
    const void* data;
    std::size_t bytes;
    ElementType type;
    std::vector<std::int64_t> shape;
};

class Session;

/** What one run of a network takes and gives: inputs, and outputs in given memory or else in that of ONNX Runtime. */
class Call {
  public:
    /** @param isTerminable whether terminate() may be called; a call that is not costs less */
    explicit Call(bool isTerminable);

    /** Port and value; ports are those of the session that runs the call. */
    void addInput(std::size_t port, const Memory& memory);
    void addOutput(std::size_t port, const std::optional<Memory>& memory);
    /** An input that is output i of another call, which runs before and is kept. */
    void addKept(std::size_t port, std::shared_ptr<const Call> from, std::size_t i);
    std::size_t outputCount() const { return outputs_.size(); }

    /** Without inputs and outputs, for others. */
    void clear();

    /** A run on a GPU returns when its work was given to the stream of the session. */
    void leaveToStream();

    /** For a call that runs again and again: run() is then one of this session, which it keeps. */
    void use(std::shared_ptr<const Session> session) { session_ = std::move(session); }
    void run();

    /** Ends the run at its next operator, or before it begins; from any thread. */
    void terminate();
    bool isTerminated() const { return terminated_.load(); }

    /** After a run, output i: where it lies and what it is. */
    Result output(std::size_t i) const;

  private:
    friend class Session;

    struct Slot {
        std::size_t port;
        ValuePointer value;
    };

    struct Kept {
        std::size_t port;
        std::shared_ptr<const Call> from;
        std::size_t output;
    };

    static Slot slot(std::size_t port, const Memory& memory);

    std::shared_ptr<const Session> session_;
    RunOptionsPointer options_;
    std::atomic<bool> terminated_ = false;
    std::vector<Slot> inputs_, outputs_;
    std::vector<Kept> kept_;
    // As ONNX Runtime takes them, made at the first run.
    std::vector<const char*> inputNames_, outputNames_;
    std::vector<const Value*> given_;
    std::vector<Value*> wanted_;
};

/** A loaded network. Runs may overlap on several threads. */
class Session {
  public:
    Session(const std::string& path, const Settings& settings);
    Session(std::span<const std::byte> bytes, const Settings& settings);

    const std::vector<Port>& inputs() const { return inputs_; }
    const std::vector<Port>& outputs() const { return outputs_; }

    /** @throws RuntimeError where the network fails or the call is terminated. */
    void run(Call& call) const;

  private:
    void describe();

    ModelPointer model_;
    std::vector<Port> inputs_, outputs_;
};

}  // namespace fastsde::onnx
