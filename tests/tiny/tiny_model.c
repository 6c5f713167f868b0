/* Writes a whole chat model of 100 kB for tests of commands: random weights of the Llama
 * architecture, byte tokens, ChatML. tiny-model FILE.gguf [SEED] */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/os.h"
#include "base/rng.h"
#include "data/byte_model.h"

enum { HIDDEN = 64, FFN = 96, LAYERS = 2, HEADS = 4, KV_HEADS = 2, VOCAB = 258, CONTEXT = 1024 };

typedef struct Tensors {
    GgufWriter *writer;
    Rng rng;
    Arena arena;    /* the weights live until the file is saved */
} Tensors;

/* [rows, cols] normal values of this spread around `mean`; cols 0: a vector of rows. */
static void add(Tensors *tensors, const char *name, uint64_t rows, uint64_t cols, double mean,
                double spread)
{
    uint64_t count = rows * (cols ? cols : 1);
    float *values = arena_new(&tensors->arena, count, sizeof *values);
    for (uint64_t i = 0; i < count; i++)
        values[i] = (float)(mean + spread * rng_normal(&tensors->rng));
    uint64_t shape[2] = {cols ? cols : rows, rows};
    gguf_writer_tensor(tensors->writer, name, DTYPE_F32, cols ? 2 : 1, shape, values);
}

static void add_layer(Tensors *tensors, unsigned layer)
{
    static const struct {
        const char *name;
        uint64_t rows, cols;
    } linears[] = {
        {"attn_q", HIDDEN, HIDDEN},
        {"attn_k", HIDDEN * KV_HEADS / HEADS, HIDDEN},
        {"attn_v", HIDDEN * KV_HEADS / HEADS, HIDDEN},
        {"attn_output", HIDDEN, HIDDEN},
        {"ffn_gate", FFN, HIDDEN},
        {"ffn_up", FFN, HIDDEN},
        {"ffn_down", HIDDEN, FFN},
    };
    Arena *arena = &tensors->arena;
    add(tensors, arena_format(arena, "blk.%u.attn_norm.weight", layer), HIDDEN, 0, 1, 0.1);
    add(tensors, arena_format(arena, "blk.%u.ffn_norm.weight", layer), HIDDEN, 0, 1, 0.1);
    for (size_t i = 0; i < COUNT_OF(linears); i++)
        add(tensors, arena_format(arena, "blk.%u.%s.weight", layer, linears[i].name),
            linears[i].rows, linears[i].cols, 0, 0.15);
}

static void add_config(GgufWriter *writer)
{
    gguf_writer_string(writer, "general.architecture", "llama");
    gguf_writer_string(writer, "general.name", "tiny random chat model");
    gguf_writer_u32(writer, "llama.block_count", LAYERS);
    gguf_writer_u32(writer, "llama.context_length", CONTEXT);
    gguf_writer_u32(writer, "llama.embedding_length", HIDDEN);
    gguf_writer_u32(writer, "llama.feed_forward_length", FFN);
    gguf_writer_u32(writer, "llama.attention.head_count", HEADS);
    gguf_writer_u32(writer, "llama.attention.head_count_kv", KV_HEADS);
    gguf_writer_f32(writer, "llama.attention.layer_norm_rms_epsilon", 1e-5f);
    gguf_writer_f32(writer, "llama.rope.freq_base", 10000.0f);
    gguf_writer_u32(writer, "llama.rope.dimension_count", HIDDEN / HEADS);
    gguf_writer_u32(writer, "llama.vocab_size", VOCAB);
}

int main(int argc, char **argv)
{
    os_arguments(&argc, &argv);
    if (argc < 2) {
        fprintf(stderr, "usage: tiny-model FILE.gguf [SEED]\n");
        return 2;
    }
    Tensors tensors = {.writer = gguf_writer_create()};
    rng_init(&tensors.rng, argc > 2 ? strtoull(argv[2], NULL, 10) : 1);
    add_config(tensors.writer);
    byte_model_add(tensors.writer);
    add(&tensors, "token_embd.weight", VOCAB, HIDDEN, 0, 0.3);
    for (unsigned layer = 0; layer < LAYERS; layer++)
        add_layer(&tensors, layer);
    add(&tensors, "output_norm.weight", HIDDEN, 0, 1, 0.1);
    tmb_status status = gguf_writer_save(tensors.writer, argv[1]);
    if (status != TMB_OK)
        fprintf(stderr, "tiny-model: %s\n", tmb_last_error());
    gguf_writer_destroy(&tensors.writer);
    arena_finish(&tensors.arena);
    return tmb_exit_code(status);
}
