// What newer C and C++ libraries have and the oldest that Node supports have not (glibc 2.28, GCC 8), defined here so that the
// addon loads with those too.
#include <new>

#if defined(__GLIBC__)

#define FASTSDE_HIDDEN __attribute__((visibility("hidden")))

/** std::shared_ptr asks whether there is one thread only, and would then count without atomics (glibc 2.32). */
extern "C" {
FASTSDE_HIDDEN char __libc_single_threaded = 0;
}

namespace std {

/** Containers call it (GCC 11). */
[[noreturn]] FASTSDE_HIDDEN void __throw_bad_array_new_length() { throw bad_array_new_length(); }

}  // namespace std

#endif
