#include "shader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/os.h"

/* The lines of kernels.def, as Meson reads them too. */
typedef struct ShaderLine {
    const char *name, *source, *defines, *probe;
} ShaderLine;

#define KERNEL(name, source, defines, probe) {#name, #source, #defines, #probe},
static const ShaderLine lines[] = {
#include "kernels.def"
};

static const ShaderLine *line_of(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(lines); i++)
        if (!strcmp(lines[i].name, name))
            return &lines[i];
    return NULL;
}

/* The comment that opens a shader: lines that start with two slashes. */
static void print_opening(const char *path)
{
    char *text = NULL;
    size_t bytes = 0;
    if (os_read_file(path, &text, &bytes) != TMB_OK)
        return;
    for (const char *at = text; !strncmp(at, "//", 2);) {
        size_t length = strcspn(at, "\n");
        printf("  %.*s\n", (int)length, at);
        at += length + (at[length] == '\n');
    }
    free(text);
}

static void print_case(const KernelRow *row, const KernelCase *one)
{
    uint64_t elements[GPU_MAX_BIND] = {0};
    uint32_t words[GPU_MAX_PUSH / 4];
    row->extent(one->push, elements);
    memcpy(words, one->push, row->push_bytes);
    printf("  %-18s push", one->name);
    for (uint32_t i = 0; i < row->push_bytes / 4; i++) {
        float single;
        memcpy(&single, &words[i], sizeof single);
        /* sizes are small integers; what is large as an integer is a float's bits */
        if (words[i] < 1u << 24 || words[i] == UINT32_MAX)
            printf(" %u", words[i]);
        else
            printf(" %g", single);
    }
    printf("; elements");
    for (uint32_t i = 0; i < kernel_bind_count(row); i++)
        printf(" %llu", (unsigned long long)elements[i]);
    puts("");
}

static void print_tuning(const KernelRow *row, const KernelTuning *tuning, const char *what)
{
    printf("  %s", what);
    for (uint32_t i = 0; i < row->spec_count; i++)
        printf(" %u", tuning->spec[i]);
    puts("");
}

void shader_contract(const KernelRow *row, const char *root)
{
    static const char *const access[] = {[GPU_READ] = "READ", [GPU_WRITE] = "WRITE",
                                         [GPU_ADD] = "ADD"};
    const ShaderLine *line = line_of(row->name);
    printf("%s, of the family %s: shaders/%s.comp, defines %s\n", row->name, row->family,
           line ? line->source : "?", line ? line->defines : "?");
    if (line) {
        Text path = {0};
        text_print(&path, "%s/shaders/%s.comp", root, line->source);
        print_opening(path.data);
        text_finish(&path);
    }
    printf("push constants: %u bytes; needs 0x%x; rank %u; tolerance %g of max(|want|, rms)\n",
           row->push_bytes, row->needs, row->rank, row->tolerance);
    puts("bindings:");
    for (uint32_t i = 0; i < kernel_bind_count(row); i++)
        printf("  %2u %-10s %-5s %s\n", i, row->bind[i].name, access[row->bind[i].access],
               dtype_info(row->bind[i].dtype)->name);
    puts("specialisation constants:");
    print_tuning(row, &row->tuning, "default");
    for (uint32_t i = 0; i < row->tuning_count; i++)
        print_tuning(row, &row->tunings[i], "legal  ");
    puts("cases:");
    for (uint32_t i = 0; i < row->case_count; i++)
        print_case(row, &row->cases[i]);
}

static tmb_status run_compiler(const char *path, const char *output, const ShaderLine *line,
                               const char *root)
{
    enum { ARGUMENTS = 32 };
    const char *arguments[ARGUMENTS] = {GLSLANG, "-V", "--target-env", "vulkan1.2",
                                        "--quiet", "-o", output, path};
    size_t count = 8;
    Arena arena = {0};
    char *messages = NULL;
    int code = 0;
    if (!strcmp(line->probe, "-"))   /* as shaders/meson.build does */
        arguments[count++] = "-Os";
    arguments[count++] = arena_format(&arena, "-I%s/shaders", root);
    arguments[count++] = arena_format(&arena, "-I%s/shaders/push", root);
    for (const char *at = line->defines; *at && *at != '-' && count + 1 < ARGUMENTS;) {
        size_t length = strcspn(at, " ");
        arguments[count++] = arena_format(&arena, "-D%.*s", (int)length, at);
        at += length + strspn(at + length, " ");
    }
    tmb_status status = os_run(arguments, 120, &messages, &code);
    if (status == TMB_OK && code)
        status = fail(TMB_BAD_INPUT, "%s does not compile:\n%s", path, messages ? messages : "");
    free(messages);
    arena_finish(&arena);
    return status;
}

tmb_status shader_compile(const char *path, const KernelRow *row, const char *root,
                          uint32_t **words, size_t *bytes)
{
    const ShaderLine *line = line_of(row->name);
    size_t length = strlen(path);
    bool is_spirv = length > 4 && !strcmp(path + length - 4, ".spv");
    char *data = NULL;
    Text output = {0};
    tmb_status status = TMB_OK;
    if (!line)
        return fail(TMB_USAGE, "%s has no line in shaders/kernels.def", row->name);
    text_print(&output, "%s%s", path, is_spirv ? "" : ".spv");
    if (!is_spirv)
        TRY_OR(done, status, run_compiler(path, output.data, line, root));
    TRY_OR(done, status, os_read_file(output.data, &data, bytes));
    if (!is_spirv)
        TRY_OR(done, status, os_remove(output.data));
    if (*bytes % 4 || *bytes < 20) {
        status = fail(TMB_BAD_INPUT, "%s holds no SPIR-V", output.data);
        goto done;
    }
    *words = MEM_NEW_ARRAY(uint32_t, *bytes / 4);   /* aligned, unlike the file's bytes */
    memcpy(*words, data, *bytes);
done:
    free(data);
    text_finish(&output);
    return status;
}
