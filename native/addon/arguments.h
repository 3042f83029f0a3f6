// JavaScript arguments as the operations take them. Wrong types throw TypeError, wrong lengths RangeError:
// the TypeScript layer names the option in its own errors, these checks only keep memory safe.
#pragma once

#include <napi.h>

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "../operations/operations.h"

namespace fastsde::addon {

// Pointers into typed arrays hold as long as no JavaScript runs: a getter may detach or shrink any buffer. So
// lists are read first, and nothing is converted to a number.

/** The elements of a list. */
std::vector<Napi::Value> elements(const Napi::Value& list, const char* name);

double number(const Napi::Value& value, const char* name);

/** An integer from 1 to `most`. */
std::size_t count(const Napi::Value& value, const char* name, std::size_t most);

std::string string(const Napi::Value& value, const char* name);

/** A number that names something of which there are fewer than 2^32, from 1; 0 for what is no such number. */
std::uint32_t id(const Napi::Value& value, const char* name);

/** A typed array of any kind as bytes. */
std::span<std::byte> rawBytes(const Napi::Value& value, const char* name);

/** Whether the memory of a typed array is shared, so that nobody can take it away. */
bool isShared(const Napi::Value& typedArray);

/** Float32Array or Float64Array. */
Array state(const Napi::Value& value, const char* name);

std::span<float> floats(const Napi::Value& value, const char* name);
std::span<double> doubles(const Napi::Value& value, const char* name);
std::span<std::int32_t> integers(const Napi::Value& value, const char* name);
std::span<std::uint16_t> halves(const Napi::Value& value, const char* name);
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
