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

/* The names that Arm's calling convention gives them; the numbers tell how the arrays are aligned.
 */
#define SAME_AS(name) __attribute__((alias(#name)))
void *__aeabi_memcpy(void *restrict to, const void *restrict from, size_t bytes) SAME_AS(memcpy);
void *__aeabi_memcpy4(void *restrict to, const void *restrict from, size_t bytes) SAME_AS(memcpy);
void *__aeabi_memcpy8(void *restrict to, const void *restrict from, size_t bytes) SAME_AS(memcpy);
void *__aeabi_memmove(void *to, const void *from, size_t bytes) SAME_AS(memmove);
void *__aeabi_memmove4(void *to, const void *from, size_t bytes) SAME_AS(memmove);
void *__aeabi_memmove8(void *to, const void *from, size_t bytes) SAME_AS(memmove);
void __aeabi_memset(void *to, size_t bytes, int value);
void __aeabi_memset4(void *to, size_t bytes, int value) SAME_AS(__aeabi_memset);
void __aeabi_memset8(void *to, size_t bytes, int value) SAME_AS(__aeabi_memset);
void __aeabi_memclr(void *to, size_t bytes);
void __aeabi_memclr4(void *to, size_t bytes) SAME_AS(__aeabi_memclr);
void __aeabi_memclr8(void *to, size_t bytes) SAME_AS(__aeabi_memclr);

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

/* Not named memset, of which the compiler makes a call of what calls this. */
static void fill(void *to, int value, size_t bytes) {
    unsigned char *t = to;
    for (; bytes && (uintptr_t)t & 3; bytes--) {
        *t++ = (unsigned char)value;
        KEEP_LOOP;
    }
    uint32_t word = (unsigned char)value * 0x01010101u;
    for (; bytes >= 16; bytes -= 16, t += 16) {
        uint32_t *words = (uint32_t *)(void *)t;
        words[0] = words[1] = words[2] = words[3] = word;
        KEEP_LOOP;
    }
    for (; bytes; bytes--) {
        *t++ = (unsigned char)value;
        KEEP_LOOP;
    }
}

void *memset(void *to, int value, size_t bytes) {
    fill(to, value, bytes);
    return to;
}

int memcmp(const void *a, const void *b, size_t bytes) {
    const unsigned char *x = a, *y = b;
    for (; bytes; bytes--, x++, y++)
        if (*x != *y)
            return *x - *y;
    return 0;
}

void __aeabi_memset(void *to, size_t bytes, int value) {
    fill(to, value, bytes);
}

void __aeabi_memclr(void *to, size_t bytes) {
    fill(to, 0, bytes);
}
