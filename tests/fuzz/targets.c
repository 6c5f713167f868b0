#include "targets.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/os.h"
#include "base/sha256.h"
#include "data/dataset.h"
#include "data/safetensors.h"
#include "export/export.h"
#include "export/peft.h"
#include "kernels/policy.h"
#include "model/model.h"
#include "train/checkpoint.h"
#include "train/run_config.h"

static const char folder[] = "fuzz files";
static const char model_name[] = "fuzz files/model.gguf";
static const char peft_config[] = "fuzz files/adapter_config.json";
static const char peft_tensors[] = "fuzz files/adapter_model.safetensors";

/* The undamaged model, for readers that need one beside the damaged file. */
static Model *good_model(void)
{
    Model *model = NULL;
    return model_open(model_name, &model) == TMB_OK ? model : NULL;
}

/* Puts the model where every target finds it. */
static bool prepare_folder(const char *model)
{
    char *data = NULL;
    size_t bytes;
    bool good = os_make_directories(folder) == TMB_OK &&
                os_read_file(model, &data, &bytes) == TMB_OK &&
                os_write_file(model_name, data, bytes) == TMB_OK;
    free(data);
    return good;
}

/* ---- GGUF: metadata, tokenizer, template, model ------------------------- */

static const char text[] = "Dear Zo\xc3\xab, 42 lost bags!\n\n<|im_end|> \xff\xf0\x9f\x8f\x94  the end";

static void use_tokenizer(Test *test, const Gguf *gguf, const Tokenizer *tokenizer)
{
    static const Message messages[] = {{"system", "Be brave."}, {"user", text},
                                       {"assistant", "Onward!"}};
    ChatTemplate *chat = NULL;
    Tokens tokens = {0};
    Text back = {0};
    if (tokenizer_encode(tokenizer, text, sizeof text - 1, true, &tokens) == TMB_OK)
        tokenizer_decode(tokenizer, tokens.ids, tokens.count, true, &back);
    if (chat_template_load(gguf, tokenizer, &chat) == TMB_OK &&
        chat_template_encode(chat, tokenizer, messages, COUNT_OF(messages), false, &tokens))
        CHECK(test, *tmb_last_error() != '\0');
    for (size_t i = 0; i < tokens.count; i++)
        CHECK(test, tokens.ids[i] < tokenizer_count(tokenizer));
    chat_template_destroy(&chat);
    tokens_finish(&tokens);
    text_finish(&back);
}

static void use_metadata(Test *test, const Gguf *gguf)
{
    char line[64];
    for (size_t i = 0; i < gguf_entry_count(gguf); i++) {
        gguf_entry_print(gguf_entry(gguf, i), line, sizeof line);
        CHECK(test, strlen(line) < sizeof line);
    }
    for (size_t i = 0; i < gguf_tensor_count(gguf); i++) {
        const GgufTensor *tensor = gguf_tensor(gguf, i);
        CHECK(test, tensor->offset + tensor->bytes <= gguf_file_bytes(gguf));
        CHECK(test, tensor->values && tensor->dims >= 1 && tensor->dims <= 4);
    }
}

static bool read_gguf(Test *test, const char *path, const Bytes *bytes)
{
    Gguf *gguf;
    Tokenizer *tokenizer;
    (void)bytes;
    if (gguf_open(path, &gguf))
        return false;
    use_metadata(test, gguf);
    tmb_status status = tokenizer_load(gguf, &tokenizer);
    if (status == TMB_OK) {
        use_tokenizer(test, gguf, tokenizer);
        tokenizer_destroy(&tokenizer);
    }
    gguf_close(&gguf);
    return status == TMB_OK;
}

/* A model that is taken has a configuration to compute with, and its graph is built. */
static bool read_model(Test *test, const char *path, const Bytes *bytes)
{
    Model *model;
    (void)bytes;
    if (model_open(path, &model))
        return false;
    const ModelConfig *c = model_config(model);
    CHECK(test, c->layers && c->hidden && c->ffn && c->vocab && c->context);
    CHECK(test, c->head_dim % 4 == 0 && c->head_dim > 0 && c->head_dim <= 256);
    CHECK(test, c->kv_heads && c->heads % c->kv_heads == 0);
    CHECK(test, c->rope_dims % 2 == 0 && c->rope_dims <= c->head_dim);
    CHECK(test, c->norm_eps > 0 && c->rope_base > 1 && isfinite(c->rope_base));
    CHECK(test, c->rope_factor > 0 && isfinite(c->rope_factor));
    ModelBuild build = {.mode = MODEL_EVAL, .row_tokens = 16};
    Graph *graph = NULL;
    float *row = MEM_NEW_ARRAY(float, c->hidden);
    CHECK_OK(test, model_build(model, &build, &graph));
    CHECK_OK(test, model_weight_rows(model, "token_embd.weight", c->vocab - 1, 1, row));
    free(row);
    graph_destroy(&graph);
    model_close(&model);
    return true;
}

static char *prepare_gguf(const char *model)
{
    return prepare_folder(model) ? mem_string("fuzz files/model-damaged.gguf") : NULL;
}

/* prepare gives the path of the damaged file; what it starts as is the good one. */
static char *prepare_model(const char *model)
{
    char *path = prepare_gguf(model), *data = NULL;
    size_t bytes;
    if (path && (os_read_file(model, &data, &bytes) || os_write_file(path, data, bytes))) {
        free(path);
        path = NULL;
    }
    free(data);
    return path;
}

/* ---- adapters ----------------------------------------------------------- */

static tmb_status make_adapter(const Model *model, Adapter **out)
{
    ModelLinear linear;
    AdapterPair *pair;
    Adapter *adapter = *out = adapter_create();
    snprintf(adapter->architecture, sizeof adapter->architecture, "llama");
    snprintf(adapter->base_sha256, sizeof adapter->base_sha256, "%064d", 7);
    adapter->alpha = 4;
    for (uint32_t i = 0; i < 4 && model_linear(model, i, &linear); i++) {
        TRY(adapter_add(adapter, linear.name, linear.in, linear.out, 2, &pair));
        for (uint64_t j = 0; j < 2 * linear.in; j++)
            pair->a[j] = (float)j / 64 - 1;
        for (uint64_t j = 0; j < 2 * linear.out; j++)
            pair->b[j] = 1 - (float)j / 32;
    }
    return TMB_OK;
}

static char *prepare_adapter(const char *model_path, bool peft, const char *path)
{
    Adapter *adapter = NULL;
    Model *model = prepare_folder(model_path) ? good_model() : NULL;
    bool good = model && make_adapter(model, &adapter) == TMB_OK &&
                (peft ? peft_save(adapter, model_config(model), "base", folder)
                      : adapter_save(adapter, path)) == TMB_OK;
    adapter_destroy(&adapter);
    model_close(&model);
    return good ? mem_string(path) : NULL;
}

static char *prepare_lora(const char *model)
{
    return prepare_adapter(model, false, "fuzz files/adapter.gguf");
}

static char *prepare_peft_config(const char *model)
{
    return prepare_adapter(model, true, peft_config);
}

static char *prepare_peft_tensors(const char *model)
{
    return prepare_adapter(model, true, peft_tensors);
}

static void check_adapter(Test *test, const Adapter *adapter, const Model *model)
{
    ModelLinear linear;
    bool finite = isfinite(adapter->alpha) && adapter->alpha != 0;
    CHECK(test, adapter->count > 0 && adapter_rank(adapter) > 0);
    for (uint32_t i = 0; i < adapter->count; i++) {
        const AdapterPair *pair = &adapter->pairs[i];
        bool known = false;
        for (uint32_t j = 0; !known && model_linear(model, j, &linear); j++)
            known = !strcmp(linear.name, pair->name) && linear.in == pair->in &&
                    linear.out == pair->out;
        CHECK(test, known);
        for (uint64_t j = 0; finite && j < pair->in * pair->rank; j++)
            finite = isfinite(pair->a[j]);
        for (uint64_t j = 0; finite && j < pair->out * pair->rank; j++)
            finite = isfinite(pair->b[j]);
    }
    CHECK(test, finite);
}

/* path: a GGUF-LoRA, or a file of the PEFT folder. */
static bool read_adapter(Test *test, const char *path, const Bytes *bytes)
{
    Adapter *adapter;
    Lora *lora = NULL;
    Model *model = good_model();
    bool peft = !strcmp(path, peft_config) || !strcmp(path, peft_tensors);
    (void)bytes;
    if (!CHECK(test, model != NULL))
        return false;
    bool taken = adapter_load(peft ? folder : path, model, "", &adapter) == TMB_OK;
    if (taken) {
        check_adapter(test, adapter, model);
        taken = adapter_lora(adapter, model, 0, &lora) == TMB_OK;
    }
    lora_destroy(&lora);
    adapter_destroy(&adapter);
    model_close(&model);
    return taken;
}

static bool read_safetensors(Test *test, const char *path, const Bytes *bytes)
{
    Safetensors *file;
    if (safetensors_open(path, &file))
        return false;
    for (size_t i = 0; i < safetensors_count(file); i++) {
        const SafeTensor *tensor = safetensors_tensor(file, i);
        float *values = MEM_NEW_ARRAY(float, tensor->values);
        safetensor_read(tensor, values);
        CHECK(test, tensor->bytes <= bytes->count);
        CHECK(test, safetensors_find(file, tensor->name) == tensor);
        free(values);
    }
    CHECK(test, safetensors_note(file, "format") != NULL);
    safetensors_close(&file);
    return true;
}

/* ---- examples ----------------------------------------------------------- */

static const char examples[] =
    "{\"messages\": [{\"role\": \"system\", \"content\": \"\"}, {\"role\": \"user\", \"content\": "
    "\"Where is my bag? \\ud83c\\udf0d\"}, {\"role\": \"assistant\", \"content\": \"Found!\"}], "
    "\"weight\": 0.5}\r\n"
    "{\"prompt\": \"a\", \"completion\": \"b \xc3\xbc\"}\n\n"
    "{\"prompt\": [{\"role\": \"user\", \"content\": \"q\"}], \"chosen\": [{\"role\": "
    "\"assistant\", \"content\": \"yes\"}], \"rejected\": \"no\"}\n"
    "{\"messages\": [{\"role\": \"user\", \"content\": \"x\"}, {\"role\": \"assistant\", "
    "\"content\": \"y\"}, {\"role\": \"user\", \"content\": \"z\"}, {\"role\": \"assistant\", "
    "\"content\": \"\\\"<|im_end|>\\u00e9\"}]}";

static char *prepare_examples(const char *model)
{
    static const char path[] = "fuzz files/examples.jsonl";
    return prepare_folder(model) && !os_write_file(path, examples, sizeof examples - 1)
               ? mem_string(path) : NULL;
}

static void encode_examples(Test *test, const Dataset *dataset)
{
    Gguf *gguf = NULL;
    Tokenizer *tokenizer = NULL;
    ChatTemplate *chat = NULL;
    DataReport report;
    Text shown = {0};
    if (CHECK_OK(test, gguf_open(model_name, &gguf)) &&
        CHECK_OK(test, tokenizer_load(gguf, &tokenizer)) &&
        CHECK_OK(test, chat_template_load(gguf, tokenizer, &chat)) &&
        dataset_check(dataset, tokenizer, chat, 64, &report) == TMB_OK &&
        CHECK_OK(test, dataset_show(dataset, tokenizer, chat, 0, DATA_COLOURED, &shown)) &&
        CHECK_OK(test, dataset_show(dataset, tokenizer, chat, 0, DATA_JSON, &shown)))
        CHECK(test, report.examples == dataset->count && report.supervised > 0);
    text_finish(&shown);
    chat_template_destroy(&chat);
    tokenizer_destroy(&tokenizer);
    gguf_close(&gguf);
}

static bool read_examples(Test *test, const char *path, const Bytes *bytes)
{
    Dataset dataset = {0};
    bool taken = dataset_read(&dataset, &path, 1) == TMB_OK;
    (void)bytes;
    for (size_t i = 0; taken && i < dataset.count; i++) {
        const Example *example = &dataset.examples[i];
        CHECK(test, example->weight > 0 && isfinite(example->weight));
        CHECK(test, example->count && example->line && example->file);
        CHECK_STRING(test, "assistant", example->messages[example->count - 1].role);
        for (size_t j = 0; j < example->count; j++)
            CHECK(test, example->messages[j].role && example->messages[j].content);
    }
    if (taken && CHECK(test, dataset.count > 0))
        encode_examples(test, &dataset);
    dataset_finish(&dataset);
    return taken;
}

/* ---- chat templates ----------------------------------------------------- */

static const char template[] =
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + "
    "message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

static char *prepare_template(const char *model)
{
    static const char path[] = "fuzz files/template.jinja";
    return prepare_folder(model) && !os_write_file(path, template, sizeof template - 1)
               ? mem_string(path) : NULL;
}

/* A template that is taken renders every message, and the reply is what is supervised. */
static bool read_template(Test *test, const char *path, const Bytes *bytes)
{
    static const Message messages[] = {{"user", "Q?"}, {"assistant", "Onward!"}};
    ChatTemplate *chat;
    Rendering rendering = {0};
    Text learned = {0}, whole = {0};
    char *source = mem_string_n((const char *)bytes->data, bytes->count);
    bool taken = chat_template_parse(source, "<s>", "</s>", &chat) == TMB_OK;
    (void)path;
    if (taken && chat_template_render(chat, messages, 2, false, &rendering) == TMB_OK) {
        for (size_t i = 0; i < rendering.count; i++)
            if (rendering.runs[i].supervised)
                text_append(&learned, rendering.runs[i].text, rendering.runs[i].bytes);
        rendering_text(&rendering, &whole);
        CHECK(test, whole.data && strstr(whole.data, "Q?"));
        CHECK(test, learned.data && strstr(learned.data, "Onward!") && !strstr(learned.data, "Q?"));
    }
    rendering_finish(&rendering);
    text_finish(&learned);
    text_finish(&whole);
    chat_template_destroy(&chat);
    free(source);
    return taken;
}

/* ---- a run's own files -------------------------------------------------- */

static tmb_status give(void *user, size_t index, uint64_t offset, void *to, uint64_t bytes)
{
    (void)user;
    memset(to, (int)(index + offset), (size_t)bytes);
    return TMB_OK;
}

static char *prepare_checkpoint(const char *model)
{
    static const char path[] = "fuzz files/step-00000007.ckpt";
    CheckpointSection sections[3] = {{400, "lora.a/value"}, {0, "empty"}, {1200, "lora.b/value"}};
    CheckpointState state = {.step = 7};
    return prepare_folder(model) && !checkpoint_write(path, &state, sections, 3, give, NULL)
               ? mem_string(path) : NULL;
}

static void read_sections(Test *test, const Checkpoint *checkpoint, const Bytes *bytes)
{
    uint64_t sum = 0, touched = 0;
    for (size_t i = 0; i < checkpoint->count; i++) {
        sum += checkpoint->sections[i].bytes;
        for (uint64_t j = 0; j < checkpoint->sections[i].bytes; j++)
            touched += checkpoint->data[i][j];
        CHECK(test, strlen(checkpoint->sections[i].name) < CHECKPOINT_NAME_BYTES);
    }
    CHECK(test, sum <= bytes->count && touched <= 255 * sum);
}

/* The digest lets nothing but the very file through. */
static bool read_checkpoint(Test *test, const char *path, const Bytes *bytes)
{
    static uint64_t good_bytes;      /* of the undamaged file, which comes first */
    static unsigned char good[SHA256_BYTES];
    unsigned char digest[SHA256_BYTES];
    Checkpoint *checkpoint;
    Sha256 hash;
    sha256_init(&hash);
    sha256_update(&hash, bytes->data, bytes->count);
    sha256_final(&hash, digest);
    if (!good_bytes) {
        good_bytes = bytes->count;
        memcpy(good, digest, sizeof good);
    }
    if (checkpoint_open(path, &checkpoint))
        return false;
    CHECK(test, bytes->count == good_bytes && !memcmp(good, digest, sizeof good));
    read_sections(test, checkpoint, bytes);
    checkpoint_close(&checkpoint);
    return true;
}

/* Behind a digest that fits, as a program that means harm would write it. */
static bool read_forged(Test *test, const char *path, const Bytes *bytes)
{
    Checkpoint *checkpoint;
    if (checkpoint_open(path, &checkpoint))
        return false;
    read_sections(test, checkpoint, bytes);
    checkpoint_close(&checkpoint);
    return true;
}

static void forge(Bytes *bytes)
{
    Sha256 hash;
    if (bytes->count < SHA256_BYTES)
        return;
    sha256_init(&hash);
    sha256_update(&hash, bytes->data, bytes->count - SHA256_BYTES);
    sha256_final(&hash, bytes->data + bytes->count - SHA256_BYTES);
}

static char *prepare_run_config(const char *model)
{
    static const char path[] = "fuzz files/config.json";
    RunConfig config = {.format = RUN_FORMAT, .version = (char *)"1", .model = (char *)"m.gguf",
        .validation = (char *)"0.1", .method = (char *)"lora", .rank = 8, .alpha = 16,
        .targets = (char *)"all", .seed = 5, .steps = 100, .step_examples = 8, .row_tokens = 512,
        .learning_rate = 1e-3, .schedule = (char *)"cosine", .warmup_steps = 5, .beta1 = 0.9,
        .beta2 = 0.999, .epsilon = 1e-8, .max_grad_norm = 1, .eval_every = 10};
    string_list_add(&config.data, "letters.jsonl");
    char *json = run_config_print(&config);
    bool good = prepare_folder(model) && !os_write_file(path, json, strlen(json));
    free(json);
    string_list_finish(&config.data);
    return good ? mem_string(path) : NULL;
}

/* What is taken must be fit for computing sizes with. */
static bool read_run_config(Test *test, const char *path, const Bytes *bytes)
{
    RunConfig config;
    bool taken = run_config_parse(path, (const char *)bytes->data, bytes->count, &config) == TMB_OK;
    if (taken) {
        CHECK(test, config.rank >= 1 && config.rank <= 65536);
        CHECK(test, config.step_examples >= 1 && config.step_examples <= 1 << 20);
        CHECK(test, config.row_tokens >= 1 && config.row_tokens <= 1 << 20);
        CHECK(test, config.steps >= 1 && isfinite(config.learning_rate) && isfinite(config.alpha));
        free(run_config_print(&config));      /* reads every field */
    }
    run_config_finish(&config);
    return taken;
}

/* ---- what was found out about kernels ----------------------------------- */

static char *prepare_findings(const char *model)
{
    static const char path[] = "fuzz files/kernels.json";
    static const char *const rows[] = {"matmul_nt_tile", "matmul_tn_tile", "matmul_nt_half_coopmat"};
    KernelPolicy policy = {.made_by = "timbre 1 (abc), a driver 2.3"};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        policy_set_verdict(&policy, rows[i], FINDING_FASTER, "right, 1.000 ms against 2.000 ms");
        policy_set_tuning(&policy, rows[i], &kernel_by_name(rows[i])->tunings[2 * i + 1]);
    }
    char *json = policy_text(&policy);
    bool good = prepare_folder(model) && !os_write_file(path, json, strlen(json));
    free(json);
    return good ? mem_string(path) : NULL;
}

/* Constants decide grids and shared memory: none may be taken that kernel-check never ran. */
static bool read_findings(Test *test, const char *path, const Bytes *bytes)
{
    KernelPolicy policy;
    char *text = NULL;
    size_t count;
    (void)bytes;
    bool taken = os_read_file(path, &text, &count) == TMB_OK && policy_read(text, &policy);
    for (uint32_t i = 0; taken && i < policy.tuning_count; i++) {
        const KernelRow *row = kernel_by_name(policy.tuning[i].row);
        CHECK(test, row && policy_is_tuning(row, &policy.tuning[i].tuning));
    }
    for (uint32_t i = 0; taken && i < policy.verdict_count; i++)
        CHECK(test, kernel_by_name(policy.verdict[i].row) != NULL);
    free(text);
    return taken;
}

/* ---- where numbers are -------------------------------------------------- */

/* The value of every metadata key; the extents, type and offset of every tensor. */
static size_t *gguf_spots(const unsigned char *data, size_t count, size_t *spot_count)
{
    Gguf *gguf;
    *spot_count = 0;
    if (gguf_open_memory("good", data, count, &gguf))
        return NULL;
    size_t entries = gguf_entry_count(gguf), tensors = gguf_tensor_count(gguf);
    size_t *spots = MEM_NEW_ARRAY(size_t, 4 + 2 * entries + 5 * tensors), used = 0, at = 24;
    for (size_t i = 0; i < 4; i++)
        spots[used++] = 4 + 4 * i;                            /* version and counts */
    for (size_t i = 0; i < entries; i++) {
        spots[used++] = (size_t)(gguf_entry(gguf, i)->value - data);
        spots[used++] = (size_t)(gguf_entry(gguf, i)->value - data) - 4;   /* its type */
        at = (size_t)(gguf_entry(gguf, i)->value - data + gguf_entry(gguf, i)->bytes);
    }
    for (size_t i = 0; i < tensors; i++) {
        const GgufTensor *tensor = gguf_tensor(gguf, i);
        spots[used++] = at;                                   /* length of the name */
        at += 8 + strlen(tensor->name);
        spots[used++] = at;                                   /* dimensions */
        spots[used++] = at + 4;                               /* extent */
        at += 4 + 8 * (size_t)tensor->dims;
        spots[used++] = at;                                   /* type */
        spots[used++] = at + 4;                               /* offset */
        at += 12;
    }
    gguf_close(&gguf);
    *spot_count = used;
    return spots;
}

/* The first digit of every number. */
static size_t *json_spots(const unsigned char *data, size_t count, size_t *spot_count)
{
    size_t *spots = MEM_NEW_ARRAY(size_t, count + 1), used = 0;
    for (size_t i = 1; i < count && data[i] < 0x80; i++)
        if (strchr(" \t:[,", data[i - 1]) && data[i] >= '-' && data[i] <= '9')
            spots[used++] = i;
    *spot_count = used;
    return spots;
}

/* ---- the table ---------------------------------------------------------- */

static const char *const gguf_words[] = {
    "GGUF", "llama", "gpt2", "smollm", "qwen2", "tokenizer.ggml.tokens", "general.alignment",
    "llama.rope.scaling.factor", "token_embd.weight", "<|im_end|>", "{% for", "\xff\xfe", NULL,
};
static const char *const json_words[] = {
    "{", "}", "[", "]", "\"", ",", ":", "null", "true", "-1", "0", "1e999", "-1e999", "1e-400",
    "0.5", "9007199254740993", "4294967296", "\\u0000", "\\ud800", "\\", "\"role\"",
    "\"assistant\"", "\"dtype\":\"BF16\"", "\"shape\":[]", "\"data_offsets\":[0,0]",
    "\"use_dora\":true,", "\"use_rslora\":true,", "\"__metadata__\":0,",
    "\"role\":\"user\",\"role\":0,", "\"dtype\":\"F32\",\"dtype\":\"F16\",", "[[[[[[[[[[[[[[[[",
    "\xef\xbb\xbf", "\xf0\x9f", NULL,
};

static const char *const template_words[] = {
    "{%", "%}", "{{", "}}", "{#", "#}", "{%-", "-%}", "'", "\"", "\\", "<|im_start|>", "<|im_end|>",
    "[INST]", "[/INST]", "<|start_header_id|>", "<|eot_id|>", "message['content']", "message['role']",
    "| trim", " if ", " else ", "{% for message in messages %}", "{% endfor %}", "bos_token",
    "eos_token", "add_generation_prompt", "raise_exception('no')", NULL,
};

const Target fuzz_targets[] = {
    {"gguf", prepare_model, read_gguf, 8192, gguf_words, NULL, gguf_spots},
    {"model", prepare_model, read_model, 8192, gguf_words, NULL, gguf_spots},
    {"lora", prepare_lora, read_adapter, 1024, gguf_words, NULL, gguf_spots},
    {"peft-config", prepare_peft_config, read_adapter, 0, json_words, NULL, json_spots},
    {"peft-tensors", prepare_peft_tensors, read_adapter, 1600, json_words, NULL, json_spots},
    {"safetensors", prepare_peft_tensors, read_safetensors, 1600, json_words, NULL, json_spots},
    {"examples", prepare_examples, read_examples, 0, json_words, NULL, json_spots},
    {"template", prepare_template, read_template, 0, template_words, NULL, NULL},
    {"checkpoint", prepare_checkpoint, read_checkpoint, 0, NULL, NULL, NULL},
    {"forged", prepare_checkpoint, read_forged, 700, NULL, forge, NULL},
    {"run-config", prepare_run_config, read_run_config, 0, json_words, NULL, json_spots},
    {"findings", prepare_findings, read_findings, 0, json_words, NULL, json_spots},
};
const size_t fuzz_target_count = COUNT_OF(fuzz_targets);
