/* What firmware can ask of the debugger or emulator it runs under (Arm semihosting). */
#ifndef GRADLET_BOARD_H
#define GRADLET_BOARD_H

#include <stdint.h>

void board_write(const void *bytes, uint32_t size); /* to the output of the run */
_Noreturn void board_exit(int status);

/* Functions and tables that are called from outside of the firmware stay in it. */
#define BOARD_ENTRY __attribute__((section(".keep"), used))

#endif
