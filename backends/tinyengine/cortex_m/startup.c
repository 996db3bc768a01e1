/* Vector table, start of the program, and semihosting; no C library is needed. */
#include "board.h"

extern uint32_t __data_load[], __data_start[], __data_end[];
extern uint32_t __bss_start[], __bss_end[], __stack_top[];
int main(void);
void start(void);
void board_idle(void);

enum { SYS_OPEN = 0x01, SYS_WRITE = 0x05, SYS_EXIT_EXTENDED = 0x20 };
enum { APPLICATION_EXIT = 0x20026, FAULTED = 125 };

#define COPROCESSOR_ACCESS (*(volatile uint32_t *)0xE000ED88u)

static int semihost(int operation, const volatile void *arguments) {
    register int r0 __asm__("r0") = operation;
    register const volatile void *r1 __asm__("r1") = arguments;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

void board_write(const void *bytes, uint32_t size) {
    static int handle;
    if (!handle) {
        static const char name[] = ":tt";
        const volatile uint32_t open[] = {(uint32_t)name, 4 /* "w" */, sizeof name - 1};
        handle = semihost(SYS_OPEN, open);
    }
    const volatile uint32_t write[] = {(uint32_t)handle, (uint32_t)bytes, size};
    semihost(SYS_WRITE, write);
}

/* Where a function that the emulator calls returns to. */
void board_idle(void) {
    for (;;)
        __asm__ volatile("wfi");
}

void board_exit(int status) {
    const volatile uint32_t reason[] = {APPLICATION_EXIT, (uint32_t)status};
    for (;;)
        semihost(SYS_EXIT_EXTENDED, reason);
}

void start(void) {
#ifdef __ARM_FP
    COPROCESSOR_ACCESS |= 0xFu << 20; /* the floating point unit is off after a reset */
    __asm__ volatile("dsb\n isb" ::: "memory");
#endif
    for (uint32_t *from = __data_load, *to = __data_start; to < __data_end;)
        *to++ = *from++;
    for (uint32_t *to = __bss_start; to < __bss_end;)
        *to++ = 0;
    board_exit(main());
}

static void fault(void) {
    board_exit(FAULTED);
}

__attribute__((section(".vectors"), used)) static const void *const vectors[16] = {
    __stack_top, start, fault, fault, fault, fault, fault};

BOARD_ENTRY static const void *const idle = board_idle;
