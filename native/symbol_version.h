// Old versions of glibc and libstdc++ symbols, so that a binary from a new distribution loads on the oldest that Node
// supports (glibc 2.28, GCC 8). The named versions behave alike in what is used here.
#pragma once

#include <cstddef>  // defines __GLIBC__, where that is the C library

#if defined(__GLIBC__) && defined(__x86_64__)
#define FASTSDE_SYMBOL_VERSION(name, version) __asm__(".symver " name "," name "@" version)
#else
#define FASTSDE_SYMBOL_VERSION(name, version) static_assert(true)
#endif
