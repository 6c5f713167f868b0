#include "shader.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/os.h"

#define KERNEL(name, source, defines, probe) {#name, #source, #defines, #probe},
static const ShaderLine lines[] = {
#include "kernels.def"
};

const ShaderLine *shader_line(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(lines); i++)
        if (!strcmp(lines[i].name, name))
            return &lines[i];
    return NULL;
}

/* Whether one of the options defines the name itself; "K=V" and "K" both do. */
static bool is_defined(const OptionList *define, const char *name, size_t length)
{
    for (uint32_t i = 0; i < define->count; i++)
        if (!strncmp(define->item[i], name, length) &&
            (!define->item[i][length] || define->item[i][length] == '='))
            return true;
    return false;
}

static tmb_status run_compiler(const Options *options, const char *output, const ShaderLine *line,
                               const char *root)
{
    enum { ARGUMENTS = 48 };
    const char *arguments[ARGUMENTS] = {GLSLANG, "-V", "--target-env", "vulkan1.2", "--quiet",
                                        "-o", output, options->shader};
    size_t count = 8;
    Arena arena = {0};
    char *messages = NULL;
    int code = 0;
    if (!strcmp(line->probe, "-"))   /* as shaders/meson.build does */
        arguments[count++] = "-Os";
    arguments[count++] = arena_format(&arena, "-I%s/shaders", root);
    arguments[count++] = arena_format(&arena, "-I%s/shaders/push", root);
    for (uint32_t i = 0; i < options->define.count; i++)
        arguments[count++] = arena_format(&arena, "-D%s", options->define.item[i]);
    for (const char *at = line->defines; *at && *at != '-' && count + 1 < ARGUMENTS;) {
        size_t length = strcspn(at, " ");
        if (!is_defined(&options->define, at, length))
            arguments[count++] = arena_format(&arena, "-D%.*s", (int)length, at);
        at += length + strspn(at + length, " ");
    }
    tmb_status status = os_run(arguments, 120, &messages, &code);
    if (status == TMB_OK && code)
        status = fail(TMB_BAD_INPUT, "%s does not compile:\n%s", options->shader,
                      messages ? messages : "");
    free(messages);
    arena_finish(&arena);
    return status;
}

tmb_status shader_compile(const Options *options, const KernelRow *row, const char *root,
                          uint32_t **words, size_t *bytes)
{
    const ShaderLine *line = shader_line(row->name);
    const char *path = options->shader;
    size_t length = strlen(path);
    bool is_spirv = length > 4 && !strcmp(path + length - 4, ".spv");
    char *data = NULL;
    Text output = {0};
    tmb_status status = TMB_OK;
    if (!line)
        return fail(TMB_USAGE, "%s has no line in shaders/kernels.def", row->name);
    if (!os_exists(path) || os_is_directory(path))
        return fail(TMB_USAGE, "--shader %s: there is no such file", path);
    text_print(&output, "%s", path);
    if (!is_spirv)   /* another run may be compiling the same file */
        text_print(&output, ".kernel-check-%u.spv", os_process_id());
    if (!is_spirv)
        TRY_OR(done, status, run_compiler(options, output.data, line, root));
    TRY_OR(done, status, os_read_file(output.data, &data, bytes));
    if (*bytes % 4 || *bytes < 20) {
        status = fail(TMB_BAD_INPUT, "%s holds no SPIR-V", output.data);
        goto done;
    }
    *words = MEM_NEW_ARRAY(uint32_t, *bytes / 4);   /* aligned, unlike the file's bytes */
    memcpy(*words, data, *bytes);
done:
    if (!is_spirv && os_remove(output.data) != TMB_OK)
        status = TMB_FAILED;
    free(data);
    text_finish(&output);
    return status;
}
