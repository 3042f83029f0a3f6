// Threads that share the tiles of one operation.
#pragma once

#include <cstddef>
#include <memory>

namespace fastsde {

/** Threads that large operations may use, the calling one included. */
std::size_t threadCount();

/** Sets threadCount(); waits for a running operation to end. */
void setThreadCount(std::size_t count);

/** From now on operations of the calling thread use no other, as where every core has such a thread. */
void stayOnThisThread();

/** Whether operations of the calling thread may use others. */
bool sharesThreads();

namespace detail {
using Tile = void (*)(const void* context, std::size_t index);
void runTiles(std::size_t count, Tile tile, const void* context) noexcept;
}  // namespace detail

/** An operation estimated to take less than this stays on the calling thread: waking a sleeping worker takes
 * about 50 us. */
inline constexpr double parallelNanoseconds = 100e3;

/**
 * Calls tile(index) for all index < count, on several threads if `nanoseconds`, the estimated total, is worth
 * it. Tiles are claimed one by one, so the caller finishes alone when no worker shows up.
 */
template <typename Function>
void parallelTiles(std::size_t count, double nanoseconds, const Function& tile) {
    if (count < 2 || nanoseconds < parallelNanoseconds || !sharesThreads()) {
        for (std::size_t i = 0; i < count; ++i) tile(i);
        return;
    }
    detail::runTiles(
        count, [](const void* context, std::size_t i) { (*static_cast<const Function*>(context))(i); },
        std::addressof(tile));
}

}  // namespace fastsde
