// What a compiler does not know: which loops deserve all registers, or a copy for each constant,
// and what only some processors' code calls.

#pragma once

#define SEPARATE __attribute__((noinline))
#define PERHAPS __attribute__((unused))
#define MERGED inline __attribute__((always_inline, unused))
