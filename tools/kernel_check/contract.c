/* --contract: what a row promises, and a shader to start from. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/os.h"
#include "check/reflect.h"
#include "shader.h"

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
    uint32_t words[GPU_MAX_PUSH / 4], groups[3] = {0};
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
    const KernelTuning tuning = kernel_tuning(row, NULL, one->push);
    row->grid(one->push, &tuning, groups);
    printf("; groups %u x %u x %u; elements", groups[0], groups[1], groups[2]);
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

/* The struct of push constants: from PUSH_BEGIN to PUSH_END of the file that is included. */
static void print_push_struct(const char *root, const char *name, size_t length)
{
    char *text = NULL;
    size_t bytes = 0;
    Text path = {0};
    text_print(&path, "%s/shaders/%.*s", root, (int)length, name);
    const char *begin = NULL, *end = NULL;
    if (os_read_file(path.data, &text, &bytes) == TMB_OK && (begin = strstr(text, "PUSH_BEGIN(")))
        end = strstr(begin, "} PUSH_END(");
    for (const char *at = end ? strchr(begin, '\n') + 1 : NULL; at && at < end;) {
        length = strcspn(at, "\n");
        printf("%.*s\n", (int)length, at);
        at += length + 1;
    }
    free(text);
    text_finish(&path);
}

static void print_push(const KernelRow *row, const char *root, const char *path)
{
    char *text = NULL;
    size_t bytes = 0;
    printf("push constants: %u bytes\n", row->push_bytes);
    if (os_read_file(path, &text, &bytes) != TMB_OK)
        return;
    const char *name = strstr(text, "#include \"push/");
    if (name)
        print_push_struct(root, name + 10, strcspn(name + 10, "\""));
    free(text);
}

/* The #include lines of push structs in the shader's source, as they stand. */
static void print_push_includes(const char *path)
{
    char *text = NULL;
    size_t bytes = 0;
    if (os_read_file(path, &text, &bytes) != TMB_OK)
        return;
    for (const char *at = text; *at;) {
        size_t length = strcspn(at, "\n");
        if (!strncmp(at, "#include \"push/", 15))
            printf("%.*s\n", (int)length, at);
        at += length + (at[length] == '\n');
    }
    free(text);
}

/* Their ids and names, in the order in which --tuning takes them. */
static void print_constants(const KernelRow *row)
{
    ReflectLayout layout = {.local_size = {1, 1, 1}};
    const char *why;
    size_t bytes;
    const uint32_t *words = kernel_spirv(row->name, &bytes, &why);
    if (words)
        reflect_layout(words, bytes, &layout);
    printf("specialisation constants:");
    for (uint32_t i = 0; i < row->spec_count; i++)
        printf("%s %u %s", i ? "," : "", i, layout.name[i]);
    puts("");
}

static void print_layout(const KernelRow *row)
{
    static const char axes[] = "xyz";
    ReflectLayout layout = {.local_size = {64, 1, 1}, .local_spec = {UINT32_MAX, UINT32_MAX, UINT32_MAX}};
    const char *why;
    size_t bytes;
    const uint32_t *words = kernel_spirv(row->name, &bytes, &why);
    if (words)
        reflect_layout(words, bytes, &layout);
    printf("layout(");
    for (int i = 0; i < 3; i++)
        if (layout.local_spec[i] < row->spec_count)
            printf("%slocal_size_%c_id = %u", i ? ", " : "", axes[i], layout.local_spec[i]);
        else
            printf("%slocal_size_%c = %u", i ? ", " : "", axes[i], layout.local_size[i]);
    puts(") in;");
    for (uint32_t i = 0; i < row->spec_count; i++)
        if (layout.name[i][0])
            printf("layout(constant_id = %u) const uint %s = %u;\n", i, layout.name[i], row->tuning.spec[i]);
        else
            printf("layout(constant_id = %u) const uint CONSTANT_%u = %u;\n", i, i, row->tuning.spec[i]);
}

static void print_buffers(const KernelRow *row)
{
    static const char *const qualifier[] = {[GPU_READ] = "readonly ", [GPU_WRITE] = "writeonly ",
                                            [GPU_ADD] = ""};
    for (uint32_t i = 0; i < kernel_bind_count(row); i++) {
        const KernelBind *bind = &row->bind[i];
        const char *type = bind->dtype == DTYPE_F32 ? "float" : "uint";
        /* the field's letters may be words of GLSL: `do`, say */
        if (row->texels >> i & 1u)
            printf("layout(set = 0, binding = %u, rgba32ui) uniform %suimageBuffer %s_;\n", i,
                   qualifier[bind->access], bind->name);
        else
            printf("layout(set = 0, binding = %u) %sbuffer Binding%u { %s %s_[]; };\n", i,
                   qualifier[bind->access], i, type, bind->name);
    }
}

static void print_skeleton(const KernelRow *row, const char *path)
{
    puts("skeleton:\n#version 450\n#extension GL_GOOGLE_include_directive : require\n"
         "#include \"lib/common.glsl\"");
    print_push_includes(path);
    puts("");
    print_layout(row);
    puts("");
    print_buffers(row);
    puts("\nvoid main()\n{\n    uint group = GROUP_INDEX;   // grids are folded: surplus groups return\n}");
}

void shader_contract(const KernelRow *row, const char *root)
{
    static const char *const access[] = {[GPU_READ] = "READ", [GPU_WRITE] = "WRITE",
                                         [GPU_ADD] = "ADD"};
    const ShaderLine *line = shader_line(row->name);
    Text path = {0};
    text_print(&path, "%s/shaders/%s.comp", root, line ? line->source : "");
    printf("%s, of the family %s: shaders/%s.comp, defines %s\n", row->name, row->family,
           line ? line->source : "?", line ? line->defines : "?");
    print_opening(path.data);
    printf("needs 0x%x; rank %u; tolerance %g of max(|want|, rms)\n", row->needs, row->rank,
           row->tolerance);
    print_push(row, root, path.data);
    puts("bindings:");
    for (uint32_t i = 0; i < kernel_bind_count(row); i++) {
        const KernelBind *bind = &row->bind[i];
        printf("  %2u %-10s %-5s %s%s", i, bind->name, access[bind->access], dtype_info(bind->dtype)->name,
               row->texels >> i & 1u ? ", texels" : "");
        if (bind->tolerance > 0)
            printf(", tolerance %g", bind->tolerance);
        puts("");
    }
    print_constants(row);
    print_tuning(row, &row->tuning, "default");
    for (uint32_t i = 0; i < row->tuning_count; i++)
        print_tuning(row, &row->tunings[i], "legal  ");
    puts("cases:");
    for (uint32_t i = 0; i < row->case_count; i++)
        print_case(row, &row->cases[i]);
    print_skeleton(row, path.data);
    text_finish(&path);
}
