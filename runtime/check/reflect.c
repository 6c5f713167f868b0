/* SPIR-V as in the Khronos SPIR-V specification 1.5; opcodes and enumerants by number. */
#include "check/reflect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    OP_NAME = 5, OP_CAPABILITY = 17, OP_EXECUTION_MODE = 16, OP_TYPE_BOOL = 20, OP_TYPE_INT = 21,
    OP_TYPE_FLOAT = 22, OP_TYPE_VECTOR = 23, OP_TYPE_MATRIX = 24, OP_TYPE_IMAGE = 25, OP_TYPE_ARRAY = 28,
    OP_TYPE_STRUCT = 30, OP_TYPE_POINTER = 32, OP_CONSTANT_TRUE = 41, OP_CONSTANT = 43,
    OP_CONSTANT_COMPOSITE = 44, OP_SPEC_CONSTANT_TRUE = 48, OP_SPEC_CONSTANT = 50,
    OP_SPEC_CONSTANT_COMPOSITE = 51, OP_SPEC_CONSTANT_OP = 52, OP_VARIABLE = 59, OP_DECORATE = 71,
    OP_MEMBER_DECORATE = 72, OP_EXECUTION_MODE_ID = 331,
    OP_FUNCTION_PARAMETER = 55, OP_IMAGE_TEXEL_POINTER = 60, OP_ACCESS_CHAIN = 65,
    OP_PTR_ACCESS_CHAIN = 67, OP_COPY_OBJECT = 83,
    OP_ATOMIC_LOAD = 227, OP_ATOMIC_STORE = 228, OP_ATOMIC_XOR = 242, OP_ATOMIC_FLAG_SET = 318,
    OP_ATOMIC_FLAG_CLEAR = 319, OP_ATOMIC_FMIN = 5614, OP_ATOMIC_FMAX = 5615, OP_ATOMIC_FADD = 6035,
    MODE_LOCAL_SIZE = 17, MODE_LOCAL_SIZE_ID = 38,
    DECORATION_SPEC_ID = 1, DECORATION_BUILT_IN = 11, DECORATION_NON_WRITABLE = 24,
    DECORATION_NON_READABLE = 25, DECORATION_BINDING = 33, DECORATION_SET = 34,
    DECORATION_OFFSET = 35,
    BUILT_IN_NUM_WORKGROUPS = 24, BUILT_IN_WORKGROUP_SIZE = 25,
    DIM_BUFFER = 5, IMAGE_STORAGE = 2, FORMAT_RGBA32UI = 30,
    CLASS_UNIFORM_CONSTANT = 0, CLASS_INPUT = 1, CLASS_WORKGROUP = 4, CLASS_PRIVATE = 6, CLASS_FUNCTION = 7,
    CLASS_PUSH_CONSTANT = 9, CLASS_STORAGE_BUFFER = 12,
    MAGIC = 0x07230203, MOST_IDS = 0x3fffff, MOST_NESTED = 64,
};
#define NO_ID UINT32_MAX

/* What is kept of one result id. */
typedef struct Id {
    uint32_t opcode, storage, pointee;      /* pointers and variables */
    const uint32_t *word;                   /* the instruction of types and constants */
    uint32_t spec_id, set, binding, built_in;
    uint32_t value;                         /* constants; the format of images */
    uint32_t part[3];                       /* composites */
    const char *name;                       /* in the words, or NULL */
    uint32_t members, struct_bytes;
    uint32_t non_writable, non_readable;    /* members so decorated, or all (NO_ID) */
} Id;

typedef struct Module {
    Id *ids;
    uint32_t id_count;
    Id elsewhere;                           /* stands for ids beyond the bound; then broken */
    bool broken;
    bool orderless;                         /* atomics on memory that other workgroups see */
    uint32_t local_size[3], local_size_id[3];
    bool has_local_size_id;
    const uint32_t *capability[64];
    uint32_t capability_count;
} Module;

/* Files are read too (--shader): an id may be anything. */
static Id *id_at(Module *module, uint32_t id)
{
    module->broken |= id >= module->id_count;
    return id < module->id_count ? &module->ids[id] : &module->elsewhere;
}

static void decorate(Id *id, const uint32_t *word, uint32_t count)
{
    uint32_t decoration = word[2], value = count > 3 ? word[3] : 0;
    switch (decoration) {
    case DECORATION_SPEC_ID: id->spec_id = value; break;
    case DECORATION_SET: id->set = value; break;
    case DECORATION_BINDING: id->binding = value; break;
    case DECORATION_BUILT_IN: id->built_in = value; break;
    case DECORATION_NON_WRITABLE: id->non_writable = NO_ID; break;
    case DECORATION_NON_READABLE: id->non_readable = NO_ID; break;
    default: break;
    }
}

static void decorate_member(Id *id, const uint32_t *word, uint32_t count)
{
    uint32_t decoration = word[3];
    if (decoration == DECORATION_OFFSET && count > 4) {
        /* push structs hold 4-byte members only (push.h) */
        uint32_t end = word[4] + 4;
        id->struct_bytes = end > id->struct_bytes ? end : id->struct_bytes;
    } else if (decoration == DECORATION_NON_WRITABLE && id->non_writable != NO_ID) {
        id->non_writable++;
    } else if (decoration == DECORATION_NON_READABLE && id->non_readable != NO_ID) {
        id->non_readable++;
    }
}

/* Words that an instruction must have for what is read of it. */
static uint32_t least_words(uint32_t opcode)
{
    static const struct { uint32_t opcode, words; } table[] = {
        {OP_NAME, 3}, {OP_CAPABILITY, 2}, {OP_EXECUTION_MODE, 3}, {OP_EXECUTION_MODE_ID, 3},
        {OP_TYPE_BOOL, 2}, {OP_TYPE_INT, 4}, {OP_TYPE_FLOAT, 3}, {OP_TYPE_VECTOR, 4},
        {OP_TYPE_MATRIX, 4}, {OP_TYPE_IMAGE, 9}, {OP_TYPE_ARRAY, 4}, {OP_TYPE_STRUCT, 2},
        {OP_TYPE_POINTER, 4}, {OP_CONSTANT_TRUE, 3}, {OP_CONSTANT, 4}, {OP_CONSTANT_COMPOSITE, 3},
        {OP_SPEC_CONSTANT_TRUE, 3}, {OP_SPEC_CONSTANT, 4}, {OP_SPEC_CONSTANT_COMPOSITE, 3},
        {OP_SPEC_CONSTANT_OP, 5}, {OP_VARIABLE, 4}, {OP_DECORATE, 3}, {OP_MEMBER_DECORATE, 4},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++)
        if (table[i].opcode == opcode)
            return table[i].words;
    return 1;
}

static void define(Module *module, const uint32_t *word, uint32_t count, uint32_t opcode)
{
    const bool is_type = opcode >= OP_TYPE_BOOL && opcode <= OP_TYPE_POINTER;
    const bool is_known = least_words(opcode) > 1;
    if (!is_known)
        return;
    Id *id = id_at(module, word[is_type ? 1 : 2]);
    id->opcode = opcode;
    id->word = word;
    switch (opcode) {
    case OP_TYPE_IMAGE:
        id->value = word[8];
        break;
    case OP_TYPE_STRUCT:
        id->members = count - 2;
        break;
    case OP_TYPE_POINTER:
        id->storage = word[2];
        id->pointee = word[3];
        break;
    case OP_VARIABLE:
        id->pointee = id_at(module, word[1])->pointee;
        id->storage = word[3];
        break;
    case OP_CONSTANT_TRUE:
    case OP_SPEC_CONSTANT_TRUE:
        id->value = 1;
        break;
    case OP_CONSTANT:
    case OP_SPEC_CONSTANT:
        id->value = word[3];
        break;
    case OP_CONSTANT_COMPOSITE:
    case OP_SPEC_CONSTANT_COMPOSITE:
        for (uint32_t i = 0; i < 3 && 3 + i < count; i++)
            id->part[i] = word[3 + i];
        break;
    default:
        break;
    }
}

static void execution_mode(Module *module, const uint32_t *word, uint32_t count)
{
    for (uint32_t i = 0; i < 3 && word[2] == MODE_LOCAL_SIZE && 3 + i < count; i++)
        module->local_size[i] = word[3 + i];
    for (uint32_t i = 0; i < 3 && word[2] == MODE_LOCAL_SIZE_ID && 3 + i < count; i++) {
        module->local_size_id[i] = word[3 + i];
        module->has_local_size_id = true;
    }
}

static bool makes_pointer(uint32_t opcode)
{
    return opcode == OP_FUNCTION_PARAMETER || opcode == OP_IMAGE_TEXEL_POINTER || opcode == OP_COPY_OBJECT ||
           (opcode >= OP_ACCESS_CHAIN && opcode <= OP_PTR_ACCESS_CHAIN);
}

static bool is_atomic(uint32_t opcode)
{
    return (opcode >= OP_ATOMIC_LOAD && opcode <= OP_ATOMIC_XOR) || opcode == OP_ATOMIC_FLAG_SET ||
           opcode == OP_ATOMIC_FLAG_CLEAR || opcode == OP_ATOMIC_FMIN || opcode == OP_ATOMIC_FMAX ||
           opcode == OP_ATOMIC_FADD;
}

/* Workgroups come in any order, and so would what they add up with atomics. */
static void take_pointer(Module *module, const uint32_t *word, uint32_t count, uint32_t opcode)
{
    const bool no_result = opcode == OP_ATOMIC_STORE || opcode == OP_ATOMIC_FLAG_CLEAR;
    if (makes_pointer(opcode) && count > 2)
        id_at(module, word[2])->storage = id_at(module, word[1])->storage;
    if (is_atomic(opcode) && count > 3)
        module->orderless |= id_at(module, word[no_result ? 1 : 3])->storage != CLASS_WORKGROUP;
}

static void take(Module *module, const uint32_t *word, uint32_t count, uint32_t opcode)
{
    if (opcode == OP_NAME && memchr(word + 2, 0, 4 * (count - 2)))
        id_at(module, word[1])->name = (const char *)(word + 2);
    else if (opcode == OP_DECORATE)
        decorate(id_at(module, word[1]), word, count);
    else if (opcode == OP_MEMBER_DECORATE)
        decorate_member(id_at(module, word[1]), word, count);
    else if (opcode == OP_EXECUTION_MODE || opcode == OP_EXECUTION_MODE_ID)
        execution_mode(module, word, count);
    else if (opcode == OP_CAPABILITY && module->capability_count < COUNT_OF(module->capability))
        module->capability[module->capability_count++] = word + 1;
    else if (makes_pointer(opcode) || is_atomic(opcode))
        take_pointer(module, word, count, opcode);
    else if (opcode != OP_NAME && opcode != OP_CAPABILITY)
        define(module, word, count, opcode);
}

static bool module_read(const uint32_t *words, size_t bytes, Module *module)
{
    size_t total = bytes / 4;
    if (total < 5 || words[0] != MAGIC || words[3] > MOST_IDS)
        return false;
    module->id_count = words[3];
    module->ids = MEM_NEW_ARRAY(Id, module->id_count);
    for (uint32_t i = 0; i < module->id_count; i++)
        module->ids[i].spec_id = module->ids[i].binding = module->ids[i].built_in = NO_ID;
    for (size_t at = 5; at < total;) {
        const uint32_t *word = words + at;
        uint32_t count = word[0] >> 16, opcode = word[0] & 0xffff;
        if (!count || at + count > total || count < least_words(opcode))
            return false;
        take(module, word, count, opcode);
        at += count;
    }
    for (uint32_t i = 0; i < module->id_count; i++)   /* what is looked up later */
        for (int part = 0; part < 3; part++)
            module->broken |= module->ids[i].part[part] >= module->id_count;
    for (uint32_t i = 0; i < module->id_count; i++)
        module->broken |= module->ids[i].pointee >= module->id_count;
    for (int i = 0; i < 3; i++)
        module->broken |= module->local_size_id[i] >= module->id_count;
    return !module->broken;
}

static uint32_t operation(uint32_t opcode, uint32_t a, uint32_t b, uint32_t c)
{
    switch (opcode) {
    case 113: case 114: return a;                            /* conversions */
    case 126: return 0u - a;
    case 128: return a + b;
    case 130: return a - b;
    case 132: return a * b;
    case 134: case 135: return b ? a / b : 0;
    case 137: case 138: case 139: return b ? a % b : 0;
    case 164: case 170: return a == b;
    case 165: case 171: return a != b;
    case 166: return a || b;
    case 167: return a && b;
    case 168: return !a;
    case 169: return a ? b : c;
    case 172: case 173: return a > b;
    case 174: case 175: return a >= b;
    case 176: case 177: return a < b;
    case 178: case 179: return a <= b;
    case 194: case 195: return a >> (b & 31);
    case 196: return a << (b & 31);
    case 197: return a | b;
    case 198: return a ^ b;
    case 199: return a & b;
    case 200: return ~a;
    default: return 0;
    }
}

/* Of 32 bits, unsigned; 0 for what no size is made of. */
static uint32_t constant(const Module *module, uint32_t index, const KernelTuning *tuning,
                         uint32_t spec_count, uint32_t depth)
{
    const Id *id = index < module->id_count ? &module->ids[index] : NULL;
    if (!id || depth > MOST_NESTED)
        return 0;
    if (id->spec_id < spec_count && id->spec_id < GPU_MAX_SPEC)
        return tuning->spec[id->spec_id];
    if (id->opcode != OP_SPEC_CONSTANT_OP)
        return id->value;
    uint32_t operand[3] = {0}, count = id->word[0] >> 16;
    for (uint32_t i = 0; i < 3 && 4 + i < count; i++)
        operand[i] = constant(module, id->word[4 + i], tuning, spec_count, depth + 1);
    return operation(id->word[3], operand[0], operand[1], operand[2]);
}

/* Bytes of a type without what alignment may add. */
static uint64_t bytes_of(const Module *module, uint32_t index, const KernelTuning *tuning,
                         uint32_t spec_count, uint32_t depth)
{
    const Id *id = index < module->id_count ? &module->ids[index] : NULL;
    uint64_t sum = 0;
    if (!id || depth > MOST_NESTED || !id->word)
        return 0;
    switch (id->opcode) {
    case OP_TYPE_BOOL: return 4;
    case OP_TYPE_INT:
    case OP_TYPE_FLOAT: return id->word[2] / 8;
    case OP_TYPE_VECTOR:
    case OP_TYPE_MATRIX:
        return bytes_of(module, id->word[2], tuning, spec_count, depth + 1) * (id->word[3] & 7);
    case OP_TYPE_ARRAY:
        return bytes_of(module, id->word[2], tuning, spec_count, depth + 1) *
               constant(module, id->word[3], tuning, spec_count, 0);
    case OP_TYPE_STRUCT:
        for (uint32_t i = 0; i < id->members && depth < 2; i++)
            sum += bytes_of(module, id->word[2 + i], tuning, spec_count, depth + 1);
        return sum;
    default: return 0;
    }
}

static void find_local_size(const Module *module, const KernelRow *row, const KernelTuning *tuning,
                            uint32_t size[3])
{
    for (int i = 0; i < 3; i++)
        size[i] = module->local_size[i];
    for (int i = 0; i < 3 && module->has_local_size_id; i++)
        size[i] = constant(module, module->local_size_id[i], tuning, row->spec_count, 0);
    for (uint32_t id = 0; id < module->id_count; id++)
        for (int i = 0; i < 3 && module->ids[id].built_in == BUILT_IN_WORKGROUP_SIZE; i++)
            size[i] = constant(module, module->ids[id].part[i], tuning, row->spec_count, 0);
}

static unsigned problem(Text *problems, const KernelRow *row, const char *text)
{
    text_print(problems, "    %s: %s\n", row->name, text);
    return 1;
}

/* One buffer or texel image, not an array of them. */
static bool is_single(const Id *block, bool texel)
{
    if (!texel)
        return block->opcode == OP_TYPE_STRUCT;
    return block->opcode == OP_TYPE_IMAGE && block->word[3] == DIM_BUFFER && !block->word[5] &&
           block->word[7] == IMAGE_STORAGE && block->value == FORMAT_RGBA32UI;
}

static unsigned check_binding(const KernelRow *row, const Module *module, const Id *variable,
                              bool seen[GPU_MAX_BIND], Text *problems)
{
    const Id *block = &module->ids[variable->pointee];
    uint32_t index = variable->binding;
    if (variable->set || index >= kernel_bind_count(row)) {
        text_print(problems, "    %s: the shader has set %u binding %u, the row has no such\n",
                   row->name, variable->set, index);
        return 1;
    }
    seen[index] = true;
    bool texel = variable->storage == CLASS_UNIFORM_CONSTANT;
    if (texel != (row->texels >> index & 1u) || !is_single(block, texel)) {
        text_print(problems, "    %s: binding %u must be a %s\n", row->name, index,
                   row->texels >> index & 1u ? "uimageBuffer of rgba32ui, as the row's texels say"
                                             : "single storage buffer, or named in the row's texels");
        return 1;
    }
    bool readonly = variable->non_writable == NO_ID || block->non_writable >= block->members;
    bool writeonly = variable->non_readable == NO_ID || block->non_readable >= block->members;
    /* an ADD binding that is never read back keeps what it does not overwrite: a cache, say */
    GpuAccess access = row->bind[index].access;
    bool agrees = access == GPU_READ ? readonly : access == GPU_WRITE ? writeonly : !readonly;
    if (agrees)
        return 0;
    static const char *const rule[] = {[GPU_READ] = "READ in the row, so it must be readonly",
                                       [GPU_WRITE] = "WRITE in the row, so it must be writeonly",
                                       [GPU_ADD] = "ADD in the row, so it must not be readonly"};
    text_print(problems, "    %s: the shader's buffer %s is %s\n", row->name, row->bind[index].name,
               rule[access]);
    return 1;
}

/* Adds up in *push_bytes; members of other than 4 bytes count as more than any row has (push.h). */
static unsigned check_variable(const KernelRow *row, const Module *module, const Id *variable,
                               bool seen[GPU_MAX_BIND], uint32_t *push_bytes, Text *problems)
{
    const Id *block = &module->ids[variable->pointee];
    const KernelTuning none = {.spec = {0}};
    switch (variable->storage) {
    case CLASS_STORAGE_BUFFER:
    case CLASS_UNIFORM_CONSTANT:
        return check_binding(row, module, variable, seen, problems);
    case CLASS_PUSH_CONSTANT:
        *push_bytes += block->struct_bytes;
        for (uint32_t i = 0; block->opcode == OP_TYPE_STRUCT && i < block->members; i++)
            *push_bytes += bytes_of(module, block->word[2 + i], &none, 0, 0) == 4 ? 0 : GPU_MAX_PUSH;
        return 0;
    case CLASS_INPUT:
    case CLASS_WORKGROUP:
    case CLASS_PRIVATE:
    case CLASS_FUNCTION:
        return 0;
    default:   /* uniform buffers above all */
        text_print(problems, "    %s: the shader has set %u binding %u of a kind that no row has; it may be a "
                             "storage buffer\n", row->name, variable->set, variable->binding);
        return 1;
    }
}

static unsigned check_interface(const KernelRow *row, const Module *module, Text *problems)
{
    bool seen[GPU_MAX_BIND] = {false};
    uint32_t push_bytes = 0;
    unsigned found = 0;
    for (uint32_t i = 0; i < module->id_count; i++) {
        const Id *id = &module->ids[i];
        if (id->spec_id != NO_ID && id->spec_id >= row->spec_count) {
            text_print(problems, "    %s: constant_id %u, but the row has %u constants\n", row->name,
                       id->spec_id, row->spec_count);
            found++;
        }
        if (id->built_in == BUILT_IN_NUM_WORKGROUPS)
            found += problem(problems, row, "reads gl_NumWorkGroups, so it cannot be split");
        if (id->opcode == OP_VARIABLE)
            found += check_variable(row, module, id, seen, &push_bytes, problems);
    }
    for (uint32_t i = 0; i < kernel_bind_count(row); i++)
        if (!seen[i] && row->bind[i].access != GPU_READ) {
            text_print(problems, "    %s: the shader does not write binding %u (%s)\n", row->name, i,
                       row->bind[i].name);
            found++;
        }
    if (push_bytes != row->push_bytes) {
        text_print(problems, "    %s: the shader pushes %u bytes, the row %u\n", row->name,
                   push_bytes, row->push_bytes);
        found++;
    }
    return found;
}

static unsigned check_capabilities(const KernelRow *row, const Module *module, Text *problems)
{
    /* what a capability of the shader needs; 0: part of the floor */
    static const struct { uint32_t capability, needs; const char *name; } table[] = {
        {0, 0, "Matrix"}, {1, 0, "Shader"}, {9, GPU_CAP_F16, "Float16"},
        {22, GPU_CAP_STORAGE16, "Int16"}, {39, GPU_CAP_INT8, "Int8"},
        {47, GPU_CAP_TEXEL, "ImageBuffer"}, {50, 0, "ImageQuery"},
        {61, GPU_CAP_SUBGROUP, "GroupNonUniform"},
        {62, GPU_CAP_SUBGROUP, "GroupNonUniformVote"},
        {63, GPU_CAP_SUBGROUP, "GroupNonUniformArithmetic"},
        {64, GPU_CAP_SUBGROUP, "GroupNonUniformBallot"},
        {65, GPU_CAP_SUBGROUP, "GroupNonUniformShuffle"},
        {4433, GPU_CAP_STORAGE16, "StorageBuffer16BitAccess"},
        {4448, GPU_CAP_INT8, "StorageBuffer8BitAccess"},
        {5345, GPU_CAP_COOPMAT, "VulkanMemoryModel"},
        {6022, GPU_CAP_COOPMAT, "CooperativeMatrixKHR"},
    };
    unsigned found = 0;
    for (uint32_t i = 0; i < module->capability_count; i++) {
        uint32_t capability = *module->capability[i];
        size_t t = 0;
        while (t < COUNT_OF(table) && table[t].capability != capability)
            t++;
        if (t < COUNT_OF(table) && !(table[t].needs & ~row->needs))
            continue;
        text_print(problems, "    %s: the shader uses capability %u (%s), which the row's `needs` "
                             "does not name\n", row->name, capability,
                   t < COUNT_OF(table) ? table[t].name : "beyond what Timbre enables");
        found++;
    }
    return found;
}

ReflectFound reflect_check(const KernelRow *row, const uint32_t *words, size_t bytes,
                           const KernelTuning *tuning, Text *problems)
{
    Module module = {.local_size = {1, 1, 1}};
    ReflectFound found = {0};
    uint32_t size[3];
    if (!module_read(words, bytes, &module)) {
        found.unusable = problem(problems, row, "its SPIR-V cannot be read");
    } else {
        found.unusable = check_interface(row, &module, problems);
        found.rules = check_capabilities(row, &module, problems);
        if (module.orderless)
            found.rules += problem(problems, row, "has atomics on a buffer, so its results depend on the order of "
                                                  "workgroups; only shared memory may have them");
        find_local_size(&module, row, tuning, size);
        uint64_t invocations = (uint64_t)size[0] * size[1] * size[2];
        if (!invocations || invocations > 256) {
            text_print(problems, "    %s: a workgroup of %u x %u x %u, at most 256 are portable\n",
                       row->name, size[0], size[1], size[2]);
            found.rules++;
        }
    }
    free(module.ids);
    return found;
}

tmb_status reflect_fits(const KernelRow *row, const uint32_t *words, size_t bytes,
                        const KernelTuning *tuning, const GpuCaps *caps)
{
    Module module = {.local_size = {1, 1, 1}};
    uint32_t size[3] = {0};
    uint64_t shared = 0;
    const bool readable = module_read(words, bytes, &module);
    if (readable)
        find_local_size(&module, row, tuning, size);
    for (uint32_t i = 0; readable && i < module.id_count; i++)
        if (module.ids[i].opcode == OP_VARIABLE && module.ids[i].storage == CLASS_WORKGROUP)
            shared += bytes_of(&module, module.ids[i].pointee, tuning, row->spec_count, 0);
    free(module.ids);
    if (!readable)
        return fail(TMB_BAD_INPUT, "%s: its SPIR-V cannot be read", row->name);
    const uint64_t invocations = (uint64_t)size[0] * size[1] * size[2];
    if (invocations > caps->max_invocations || shared > caps->shared_bytes)
        return fail(TMB_UNSUPPORTED, "%s needs workgroups of %llu invocations and %llu bytes of shared "
                    "memory; this device has %u and %u", row->name, (unsigned long long)invocations,
                    (unsigned long long)shared, caps->max_invocations, caps->shared_bytes);
    return TMB_OK;
}

/* Where one part of the workgroup's size comes from. */
static void find_part(const Module *module, uint32_t id, uint32_t part, ReflectLayout *out)
{
    out->local_size[part] = module->ids[id].value;
    out->local_spec[part] = module->ids[id].spec_id;
}

void reflect_layout(const uint32_t *words, size_t bytes, ReflectLayout *out)
{
    Module module = {.local_size = {1, 1, 1}};
    *out = (ReflectLayout){.local_spec = {NO_ID, NO_ID, NO_ID}};
    bool readable = module_read(words, bytes, &module);
    for (uint32_t i = 0; i < 3; i++) {
        out->local_size[i] = module.local_size[i];
        if (readable && module.has_local_size_id)
            find_part(&module, module.local_size_id[i], i, out);
    }
    for (uint32_t id = 0; readable && id < module.id_count; id++) {
        const Id *known = &module.ids[id];
        for (uint32_t i = 0; i < 3 && known->built_in == BUILT_IN_WORKGROUP_SIZE; i++)
            find_part(&module, known->part[i], i, out);
        if (known->spec_id < GPU_MAX_SPEC && known->name)
            snprintf(out->name[known->spec_id], sizeof out->name[0], "%s", known->name);
    }
    free(module.ids);
}
