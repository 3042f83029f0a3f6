// JavaScript arguments as the operations take them. Wrong types throw TypeError, wrong lengths RangeError:
// the TypeScript layer names the option in its own errors, these checks only keep memory safe.
#pragma once

#include <napi.h>

#include <optional>
#include <span>
#include <vector>

#include "../operations/operations.h"

namespace fastsde::addon {

// Pointers into typed arrays hold as long as no JavaScript runs: a getter may detach or shrink any buffer. So
// lists are read first, and nothing is converted to a number.

/** The elements of a list of what should be typed arrays. */
std::vector<Napi::Value> typedArrays(const Napi::Value& list, const char* name);

double number(const Napi::Value& value, const char* name);

/** Float32Array or Float64Array. */
Array state(const Napi::Value& value, const char* name);

/** The same, of a required length and element type. */
Array stateLike(const Napi::Value& value, const char* name, const Array& like);

std::optional<Array> optionalStateLike(const Napi::Value& value, const char* name, const Array& like);

std::span<float> floats(const Napi::Value& value, const char* name);
std::span<double> doubles(const Napi::Value& value, const char* name);
std::span<std::int32_t> integers(const Napi::Value& value, const char* name);
std::span<std::uint8_t> bytes(const Napi::Value& value, const char* name);

/** The length of an array must be `expected`. */
void requireLength(std::size_t length, std::size_t expected, const char* name);

/** `count` samples that share `elements`; throws unless they divide evenly and there is at least one of each.
 */
Shape shapeOf(std::size_t elements, std::size_t count);

/** From Uint32Array [seed low, seed high, salt, step, use, particle, visit, node] and a first index or
 * Float64Array of indices. */
Noise noise(const Napi::Value& address, const Napi::Value& samples, const Shape& shape);

}  // namespace fastsde::addon
