// A training step of one layer, y = W x, loss = |y - t|^2 / 2, in bare C. The functions after it
// misbehave.
#include <string.h>

#include "board.h"

#ifndef STEPS
#define STEPS 10
#endif

enum { INPUTS = 48, OUTPUTS = 20 };

static float weight[OUTPUTS][INPUTS];
static float x[INPUTS], target[OUTPUTS];
static const float table[4] = {1.0f, 2.0f, 3.0f, 4.0f};

static __attribute__((noinline)) float train_step(float rate) {
    float loss = 0.0f;
    for (int o = 0; o < OUTPUTS; o++) {
        float y = 0.0f;
        for (int i = 0; i < INPUTS; i++)
            y += weight[o][i] * x[i];
        const float error = y - target[o];
        loss += error * error * 0.5f;
        for (int i = 0; i < INPUTS; i++)
            weight[o][i] -= rate * error * x[i];
    }
    return loss;
}

// Fills memory that it was not given: its own stack, as far down as `bytes` reaches.
static __attribute__((noinline)) void use_stack(int bytes) {
    char frame[256];
    memset(frame, bytes, sizeof frame);
    if (bytes > 256)
        use_stack(bytes - 256);
    __asm__ volatile("" ::"r"(frame) : "memory");
}

static __attribute__((noinline)) void poke(uint32_t address) {
    *(volatile char *)address = 1;
}

static __attribute__((noinline)) float float_at(uint32_t address) {
    return *(volatile float *)address;
}

static __attribute__((noinline)) void jump(uint32_t address) {
    ((void (*)(void))(address | 1))();
}

static __attribute__((noinline)) void undefined(void) {
    __asm__ volatile("udf #0");
}

static __attribute__((noinline)) void endless(void) {
    for (;;)
        __asm__ volatile("nop");
}

// What the tests call from outside, or read.
BOARD_ENTRY static const void *const entries[] = {(const void *)train_step, (const void *)use_stack,
                                                  (const void *)poke,       (const void *)float_at,
                                                  (const void *)jump,       (const void *)undefined,
                                                  (const void *)endless,    table};

#ifdef BIG
static char big[BIG];
#endif

int main(void) {
    for (int i = 0; i < INPUTS; i++)
        x[i] = (float)(i % 5) * 0.125f;
    for (int o = 0; o < OUTPUTS; o++)
        target[o] = (float)o - 4.0f;
    for (int k = 0; k < STEPS; k++) {
        const float loss = train_step(0.0625f);
        board_write(&loss, sizeof loss);
    }
#ifdef BIG
    memset(big, STEPS, sizeof big);
    __asm__ volatile("" ::"r"(big) : "memory");
#endif
    return 42;
}
