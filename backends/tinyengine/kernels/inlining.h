// What a compiler does not know: which loops deserve all registers, or a copy for each constant.

#pragma once

#define SEPARATE __attribute__((noinline))
#define MERGED inline __attribute__((always_inline))
