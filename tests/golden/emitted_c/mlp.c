// mlp: made by Gradlet for host; do not edit.
//
// Arena of mlp_infer: 272 bytes; 224 are alive at the peak.
//   offset    bytes      steps  values
//        0       96       0..0  %x: f32[4,6]
//       96      128       0..1  %0: f32[4,8]
//      224       48       1..1  %logits: f32[4,3]
//
// Arena of mlp_train_step: 464 bytes; 328 are alive at the peak.
//   offset    bytes      steps  values
//        0       96       0..0  %x: f32[4,6]
//       96       16       0..3  %label: i32[4]
//      112        4       0..5  %lr: f32[]
//      128      128       0..4  %0: f32[4,8]
//      256       48       1..5  %logits: f32[4,3]
//      304        4       2..5  %loss: f32[]
//      320       48       3..4  %3: f32[4,3]
//      368       96       4..5  %4: f32[3,8]

#include "mlp.h"

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static _Alignas(16) uint8_t mlp_arena[464];
#define AT(type, offset) ((type *)(void *)(mlp_arena + (offset)))

// Kernels.

// Bytes of the arena hold floats now and integers then: a kernel merged into its caller could have its accesses moved
// across those of another type.
// GCC, left to look into them, has taken such a kernel for one without effects and dropped the call.
#if defined(__GNUC__) && !defined(__clang__)
#define KERNEL __attribute__((noipa))
#elif defined(__clang__)
#define KERNEL __attribute__((noinline))
#else
#define KERNEL
#endif

// ... dense_f32 ...
// ... softmax_cross_entropy_f32 ...
// ... softmax_cross_entropy_grad_f32 ...
// ... dense_weight_grad_f32 ...
// ... sgd_f32 ...

// States.

// body.weight: f32[8,6]
static const _Alignas(16) float mlp_state_body_weight[48] = {
    0.12573022f, -0.13210486f, 0.64042264f, 0.104900114f, -0.5356694f, 0.36159506f,
    1.304f, 0.94708097f, -0.70373523f, -1.2654215f, -0.62327445f, 0.04132598f,
    -2.3250308f, -0.21879166f, -1.245911f, -0.7322674f, -0.544259f, -0.31630015f,
    0.41163054f, 1.0425134f, -0.12853466f, 1.3664634f, -0.6651947f, 0.35151008f,
    0.90347016f, 0.0940123f, -0.7434993f, -0.9217254f, -0.45772582f, 0.22019513f,
    -1.0096182f, -0.20917557f, -0.15922502f, 0.5408456f, 0.21465912f, 0.3553727f,
    -0.6538286f, -0.12961364f, 0.7839755f, 1.4934311f, -1.2590655f, 1.5139238f,
    1.3458754f, 0.7813114f, 0.26445562f, -0.31392282f, 1.4580207f, 1.9602584f,
};

// body.bias: f32[8]
static const _Alignas(16) float mlp_state_body_bias[8] = {
    1.8016349f, 1.3151038f, 0.35738042f, -1.2083186f, -0.004454133f, 0.65647495f,
    -1.2883614f, 0.39512205f,
};

// head.weight: f32[3,8]
static _Alignas(16) float mlp_state_head_weight[24];
static const float mlp_state_head_weight_init[24] = {
    0.4298637f, 0.6960427f, -1.1841179f, -0.6617026f, -0.43643525f, -1.169802f,
    1.7393678f, -0.49591073f, 0.32896963f, -0.25857255f, 1.5834728f, 1.320361f,
    0.63335264f, -2.2035098f, 0.052028973f, 0.6836862f, 1.0039616f, -0.61790705f,
    1.8220114f, -1.320431f, -0.66152805f, 0.93505f, 0.049054615f, 2.0023925f,
};

void mlp_init(void) {
    memcpy(mlp_state_head_weight, mlp_state_head_weight_init, sizeof mlp_state_head_weight);
}

float *mlp_input_x(void) {
    return AT(float, 0);
}

int32_t *mlp_input_label(void) {
    return AT(int32_t, 96);
}

void mlp_infer(void) {
    dense_f32(AT(float, 96), AT(float, 0), mlp_state_body_weight, mlp_state_body_bias, 4, 6, 8, 0.0f, INFINITY); // %0 = dense(%x, %body.weight, %body.bias, activation=relu): Tensor[(4, 8), float32]
    dense_f32(AT(float, 224), AT(float, 96), mlp_state_head_weight, NULL, 4, 8, 3, -INFINITY, INFINITY); // %logits = dense(%0, %head.weight): Tensor[(4, 3), float32]
}

const float *mlp_output_logits(void) {
    return AT(float, 224);
}

float mlp_train_step(float lr) {
    *AT(float, 112) = lr;
    dense_f32(AT(float, 128), AT(float, 0), mlp_state_body_weight, mlp_state_body_bias, 4, 6, 8, 0.0f, INFINITY); // %0 = dense(%x, %body.weight, %body.bias, activation=relu): Tensor[(4, 8), float32]
    dense_f32(AT(float, 256), AT(float, 128), mlp_state_head_weight, NULL, 4, 8, 3, -INFINITY, INFINITY); // %logits = dense(%0, %head.weight): Tensor[(4, 3), float32]
    softmax_cross_entropy_f32(AT(float, 304), AT(float, 256), AT(int32_t, 96), 4, 3); // %loss = softmax_cross_entropy(%logits, %label): Tensor[(), float32]
    softmax_cross_entropy_grad_f32(AT(float, 320), AT(float, 256), AT(int32_t, 96), 4, 3); // %3 = softmax_cross_entropy_grad(%logits, %label): Tensor[(4, 3), float32]
    dense_weight_grad_f32(AT(float, 368), AT(float, 320), AT(float, 128), 4, 8, 3); // %4 = dense_weight_grad(%3, %0): Tensor[(3, 8), float32]
    sgd_f32(mlp_state_head_weight, AT(float, 368), AT(float, 112), NULL, 1, 1, 3, 0, 3, 8, 0.0f); // %head.weight' = sgd(%head.weight, %4, %lr): Tensor[(3, 8), float32] writes %head.weight
    return *AT(float, 304);
}

const float *mlp_train_output_loss(void) {
    return AT(float, 304);
}

const float *mlp_train_output_logits(void) {
    return AT(float, 256);
}

static const struct {
    const void *data;
    void *writable; // NULL for a constant
    size_t bytes;
#ifdef MLP_NAMES
    const char *name;
#define NAMED(name) , name
#else
#define NAMED(name)
#endif
} mlp_states[MLP_STATES] = {
    {mlp_state_body_weight, NULL, 192 NAMED("body.weight")},
    {mlp_state_body_bias, NULL, 32 NAMED("body.bias")},
    {mlp_state_head_weight, mlp_state_head_weight, 96 NAMED("head.weight")},
};

size_t mlp_state_bytes(enum mlp_state state) {
    return (unsigned)state < MLP_STATES ? mlp_states[state].bytes : 0;
}

enum mlp_status mlp_get_state(enum mlp_state state, void *to, size_t bytes) {
    if ((unsigned)state >= MLP_STATES)
        return MLP_NO_SUCH_STATE;
    if (bytes != mlp_states[state].bytes)
        return MLP_WRONG_SIZE;
    memcpy(to, mlp_states[state].data, bytes);
    return MLP_OK;
}

enum mlp_status mlp_set_state(enum mlp_state state, const void *from, size_t bytes) {
    if ((unsigned)state >= MLP_STATES)
        return MLP_NO_SUCH_STATE;
    if (mlp_states[state].writable == NULL)
        return MLP_CONSTANT;
    if (bytes != mlp_states[state].bytes)
        return MLP_WRONG_SIZE;
    memcpy(mlp_states[state].writable, from, bytes);
    return MLP_OK;
}

#ifdef MLP_NAMES
const char *mlp_state_name(enum mlp_state state) {
    return (unsigned)state < MLP_STATES ? mlp_states[state].name : NULL;
}
#endif

// A saved state: this head, the mutable states in their order, and the CRC-32 of all that.
struct mlp_head {
    uint32_t magic;
    uint32_t version;
    uint32_t model[2];
};
static const struct mlp_head mlp_head = {
    0x53544c47, 1, {0x5dd23534, 0xfac605b0}
};

static uint32_t mlp_crc32(const uint8_t *data, size_t bytes) {
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < bytes; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (crc & 1u ? 0xedb88320u : 0u);
    }
    return ~crc;
}

enum mlp_status mlp_save(void *to, size_t bytes) {
    if (bytes != MLP_SAVE_BYTES)
        return MLP_WRONG_SIZE;
    uint8_t *end = to;
    memcpy(end, &mlp_head, sizeof mlp_head);
    end += sizeof mlp_head;
    memcpy(end, mlp_state_head_weight, 96);
    end += 96;
    const uint32_t crc = mlp_crc32(to, MLP_SAVE_BYTES - sizeof crc);
    memcpy(end, &crc, sizeof crc);
    return MLP_OK;
}

enum mlp_status mlp_load(const void *from, size_t bytes) {
    struct mlp_head head;
    if (bytes != MLP_SAVE_BYTES)
        return MLP_WRONG_SIZE;
    memcpy(&head, from, sizeof head);
    if (head.magic != mlp_head.magic)
        return MLP_NOT_SAVED;
    if (head.version != mlp_head.version)
        return MLP_OTHER_VERSION;
    if (head.model[0] != mlp_head.model[0] || head.model[1] != mlp_head.model[1])
        return MLP_OTHER_MODEL;
    const uint8_t *data = from;
    uint32_t crc;
    memcpy(&crc, data + bytes - sizeof crc, sizeof crc);
    if (crc != mlp_crc32(data, bytes - sizeof crc))
        return MLP_DAMAGED;
    data += sizeof head;
    memcpy(mlp_state_head_weight, data, 96);
    data += 96;
    return MLP_OK;
}
