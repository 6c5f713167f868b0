#ifndef TESTS_BYTE_MODEL_H
#define TESTS_BYTE_MODEL_H
/* A tokenizer whose tokens are the 256 bytes, "<|im_start|>" (256) and "<|im_end|>" (257),
 * with a ChatML template: small enough to know every id. */

#include <stdlib.h>

#include "base/mem.h"
#include "base/os.h"
#include "base/utf8.h"
#include "data/gguf_write.h"
#include "data/template.h"

static inline void byte_model_add(GgufWriter *writer)
{
    static const char template[] =
        "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + "
        "message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
    static char names[256][3];
    const char *tokens[258];
    int32_t kinds[258];
    for (unsigned byte = 0; byte < 256; byte++) {
        /* printable bytes stand for themselves, others for U+0100 and up */
        bool printable = (byte > 32 && byte < 127) || (byte > 160 && byte != 173);
        unsigned code = byte;
        if (!printable)
            code = 256 + (byte < 33 ? byte : byte < 161 ? byte - 127 + 33 : 67);
        names[byte][utf8_encode_short(code, names[byte])] = '\0';
        tokens[byte] = names[byte];
        kinds[byte] = 1;
    }
    tokens[256] = "<|im_start|>";
    tokens[257] = "<|im_end|>";
    kinds[256] = kinds[257] = 3;
    gguf_writer_string(writer, "tokenizer.ggml.model", "gpt2");
    gguf_writer_string(writer, "tokenizer.ggml.pre", "smollm");
    gguf_writer_strings(writer, "tokenizer.ggml.tokens", tokens, 258);
    gguf_writer_i32s(writer, "tokenizer.ggml.token_type", kinds, 258);
    gguf_writer_strings(writer, "tokenizer.ggml.merges", NULL, 0);
    gguf_writer_u32(writer, "tokenizer.ggml.eos_token_id", 257);
    gguf_writer_string(writer, "tokenizer.chat_template", template);
}

/* A file with the tokenizer and no tensors. */
static inline tmb_status byte_model_write(const char *path)
{
    GgufWriter *writer = gguf_writer_create();
    byte_model_add(writer);
    tmb_status status = gguf_writer_save(writer, path);
    gguf_writer_destroy(&writer);
    return status;
}

static inline tmb_status byte_model_load(const char *path, Tokenizer **tokenizer,
                                         ChatTemplate **chat)
{
    Gguf *gguf;
    TRY(byte_model_write(path));
    TRY(gguf_open(path, &gguf));
    tmb_status status = tokenizer_load(gguf, tokenizer);
    if (status == TMB_OK)
        status = chat_template_load(gguf, *tokenizer, chat);
    gguf_close(&gguf);
    return status;
}

#endif
