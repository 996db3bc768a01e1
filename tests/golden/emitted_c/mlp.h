// mlp: made by Gradlet for host; do not edit.
//
// Call mlp_init() once. Before every call of mlp_infer() or mlp_train_step() fill the inputs anew: their bytes
// are used again during the call.

#ifndef MLP_H
#define MLP_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// RAM: buffers of one call, and what outlives it.
#define MLP_ARENA_BYTES 464
#define MLP_STATE_BYTES 96

// Sets every state to its value at compile time.
void mlp_init(void);

// Input x: f32[4,6].
#define MLP_INPUT_X_SIZE 24
float *mlp_input_x(void);

// Input label: i32[4].
#define MLP_INPUT_LABEL_SIZE 4
int32_t *mlp_input_label(void);

// Computes the outputs.
void mlp_infer(void);

// Output logits of mlp_infer: f32[4,3], valid until the next call.
#define MLP_OUTPUT_LOGITS_SIZE 12
const float *mlp_output_logits(void);

// Learns from the inputs; returns the loss before the update.
float mlp_train_step(float lr);

// Output loss of mlp_train_step: f32[], valid until the next call.
#define MLP_TRAIN_OUTPUT_LOSS_SIZE 1
const float *mlp_train_output_loss(void);

// Output logits of mlp_train_step: f32[4,3], valid until the next call.
#define MLP_TRAIN_OUTPUT_LOGITS_SIZE 12
const float *mlp_train_output_logits(void);

// Parameters and what else outlives a call, in the layout given.
enum mlp_state {
    MLP_STATE_BODY_WEIGHT, // body.weight: f32[8,6], constant
    MLP_STATE_BODY_BIAS, // body.bias: f32[8], constant
    MLP_STATE_HEAD_WEIGHT, // head.weight: f32[3,8]
    MLP_STATES
};
#define MLP_STATE_BODY_WEIGHT_SIZE 48
#define MLP_STATE_BODY_BIAS_SIZE 8
#define MLP_STATE_HEAD_WEIGHT_SIZE 24

// What a call that is refused returns; it has changed nothing.
enum mlp_status {
    MLP_OK,
    MLP_NO_SUCH_STATE,
    MLP_CONSTANT,      // this state lies in flash
    MLP_WRONG_SIZE,    // the buffer has another size than the state, or the saved state
    MLP_NOT_SAVED,     // this is no saved state
    MLP_OTHER_VERSION, // saved in another format
    MLP_OTHER_MODEL,   // saved by another model
    MLP_DAMAGED        // the checksum does not match
};

// Bytes of a state; 0 if there is none of this number.
size_t mlp_state_bytes(enum mlp_state state);

// Copies a state out, or in; `bytes` has to be its size.
enum mlp_status mlp_get_state(enum mlp_state state, void *to, size_t bytes);
enum mlp_status mlp_set_state(enum mlp_state state, const void *from, size_t bytes);

#ifdef MLP_NAMES
// Name in the model; only compiled, and in flash, when MLP_NAMES is defined. NULL if there is none.
const char *mlp_state_name(enum mlp_state state);
#endif

// Writes all that was learnt to a buffer of MLP_SAVE_BYTES, and back; a saved state that is damaged, truncated, of
// another model or another version is refused.
#define MLP_SAVE_BYTES 116
enum mlp_status mlp_save(void *to, size_t bytes);
enum mlp_status mlp_load(const void *from, size_t bytes);

#ifdef __cplusplus
}
#endif

#endif
