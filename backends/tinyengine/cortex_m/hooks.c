/* What the emulator calls millions of times a second: counts basic blocks, checks instructions. */
#include <stdint.h>

enum { SLOTS = 1 << 16 };
enum { LR = 10, SP = 12, R0 = 66 }; /* UC_ARM_REG_... */

/* A stretch of code without a jump into or out of it. */
struct block {
    uint32_t address, bytes;
    uint64_t instructions, times;
};

/* The same in machine.py. */
struct counter {
    uint64_t used, instructions, limit; /* blocks seen; executed so far; when to stop */
    int (*stop)(void *emulator);
    const uint8_t *code;
    uint64_t code_base;
    struct block blocks[SLOTS]; /* open addressing */
};

struct checker {
    int (*stop)(void *emulator);
    int (*read_register)(void *emulator, int number, void *value);
    const uint8_t *code;
    uint64_t code_base;
    uint64_t conditional; /* instructions left of those that stand under a condition */
    uint64_t pc,
        address; /* of the first unaligned access and what it is relative to; 0: there was none */
};

static int is_long(const uint8_t *instruction) {
    return instruction[1] >> 3 >= 29;
}

void count_block(void *emulator, uint64_t address, uint32_t bytes, struct counter *counter) {
    uint32_t at = (uint32_t)(address >> 1) % SLOTS;
    struct block *block = &counter->blocks[at];
    while (block->times && (block->address != address || block->bytes != bytes)) {
        at = (at + 1) % SLOTS;
        block = &counter->blocks[at];
    }
    if (!block->times) {
        const uint8_t *code = counter->code + (address - counter->code_base);
        block->address = (uint32_t)address;
        block->bytes = bytes;
        for (uint32_t i = 0; i < bytes; i += is_long(code + i) ? 4 : 2)
            block->instructions++;
        if (++counter->used == SLOTS)
            __builtin_trap();
    }
    block->times++;
    counter->instructions += block->instructions;
    if (counter->instructions > counter->limit)
        counter->stop(emulator);
}

/* Whether an instruction loads or stores a pair, a list or a float: these must be aligned, single
 * words need not. */
static int must_be_aligned(const uint8_t *code, int *base) {
    *base = code[0] & 15;
    if (!is_long(code)) {
        *base = code[1] & 7;
        return (code[1] & 0xF0) == 0xC0; /* ldm, stm */
    }
    if ((code[1] & 0xFE) == 0xE8) /* ldm, stm; ldrd, strd, but not ldrex and tbb */
        return !(code[0] & 0x40) || (code[1] & 1) || (code[0] & 0x20);
    int is_move = code[1] == 0xEC && (code[0] & 0xE0) == 0x40;
    return (code[1] & 0xFE) == 0xEC && (code[3] & 0x0E) == 0x0A &&
           !is_move; /* vldr, vstr, vldm, vstm */
}

/* The emulator does what the processor traps. All these instructions add a multiple of 4 to a
 * register. */
void check_instruction(void *emulator, uint64_t address, uint32_t bytes, struct checker *checker) {
    (void)bytes;
    const uint8_t *code = checker->code + (address - checker->code_base);
    int base;
    uint32_t value = 0;
    if (checker->conditional) { /* it may not be executed */
        checker->conditional--;
        return;
    }
    if (code[1] == 0xBF && code[0] & 15)
        checker->conditional = 4 - (uint64_t)__builtin_ctz(code[0]);
    if (checker->pc || !must_be_aligned(code, &base) || base == 15)
        return;
    checker->read_register(emulator, base < 13 ? R0 + base : base == 13 ? SP : LR, &value);
    if (!(value & 3))
        return;
    checker->pc = address;
    checker->address = value;
    checker->stop(emulator);
}
