/* The functions that compilers call without being asked to: they copy and fill structures and
 * arrays. */
#include <stddef.h>
#include <stdint.h>

/* An empty statement that the compiler must not touch: else it makes memcpy of the loop in memcpy.
 */
#define KEEP_LOOP __asm__ volatile("" ::: "memory")

void *memcpy(void *restrict to, const void *restrict from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
void *memset(void *to, int value, size_t bytes);
int memcmp(const void *a, const void *b, size_t bytes);

void *memcpy(void *restrict to, const void *restrict from, size_t bytes) {
    unsigned char *t = to;
    const unsigned char *f = from;
    if ((((uintptr_t)t | (uintptr_t)f) & 3) == 0)
        for (; bytes >= 16; bytes -= 16)
            __asm__ volatile("ldmia %1!, {r3-r6}\n stmia %0!, {r3-r6}"
                             : "+l"(t), "+l"(f)
                             :
                             : "r3", "r4", "r5", "r6", "memory");
    for (; bytes; bytes--) {
        *t++ = *f++;
        KEEP_LOOP;
    }
    return to;
}

void *memmove(void *to, const void *from, size_t bytes) {
    if ((uintptr_t)to - (uintptr_t)from >= bytes)
        return memcpy(to, from, bytes);
    unsigned char *t = to;
    const unsigned char *f = from;
    while (bytes--) {
        t[bytes] = f[bytes];
        KEEP_LOOP;
    }
    return to;
}

void *memset(void *to, int value, size_t bytes) {
    unsigned char *t = to;
    for (; bytes && (uintptr_t)t & 3; bytes--)
        *t++ = (unsigned char)value;
    uint32_t word = (unsigned char)value * 0x01010101u;
    for (; bytes >= 4; bytes -= 4, t += 4) {
        *(uint32_t *)(void *)t = word;
        KEEP_LOOP;
    }
    for (; bytes; bytes--) {
        *t++ = (unsigned char)value;
        KEEP_LOOP;
    }
    return to;
}

int memcmp(const void *a, const void *b, size_t bytes) {
    const unsigned char *x = a, *y = b;
    for (; bytes; bytes--, x++, y++)
        if (*x != *y)
            return *x - *y;
    return 0;
}
