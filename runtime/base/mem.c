#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

enum { ARENA_BLOCK_BYTES = 64 * 1024, ARENA_ALIGN = 16 };

struct ArenaBlock {
    ArenaBlock *previous;
    size_t used, capacity;
};

#define BLOCK_HEADER ((sizeof(ArenaBlock) + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN)

static void *or_abort(void *memory, size_t count, size_t size)
{
    if (!memory) {
        fprintf(stderr, "timbre: out of memory (%zu x %zu bytes)\n", count, size);
        abort();
    }
    return memory;
}

void *mem_try(size_t count, size_t size)
{
    if (size && count > PTRDIFF_MAX / size)     /* calloc's own check aborts under sanitizers */
        return NULL;
    return calloc(count ? count : 1, size ? size : 1);
}

void *mem_new(size_t count, size_t size)
{
    return or_abort(mem_try(count, size), count, size);
}

void *mem_try_grow(void *old, size_t count, size_t size)
{
    if (size && count > PTRDIFF_MAX / size)
        return NULL;
    size_t bytes = count * size;
    return realloc(old, bytes ? bytes : 1);
}

void *mem_try_room(void *items, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return items;
    size_t more = *capacity ? *capacity * 2 : 16;
    void *grown = mem_try_grow(items, more, size);
    if (grown)
        *capacity = more;
    return grown;
}

void *mem_grow(void *old, size_t count, size_t size)
{
    return or_abort(mem_try_grow(old, count, size), count, size);
}

char *mem_string_n(const char *text, size_t bytes)
{
    char *copy = mem_new(bytes + 1, 1);
    if (bytes)
        memcpy(copy, text, bytes);
    return copy;
}

char *mem_string(const char *text)
{
    return mem_string_n(text, strlen(text));
}

bool arena_try_reserve(Arena *arena, size_t bytes)
{
    ArenaBlock *block = arena->last;
    if (block && block->capacity - block->used >= bytes)
        return true;
    size_t capacity = bytes > ARENA_BLOCK_BYTES ? bytes : ARENA_BLOCK_BYTES;
    block = bytes < PTRDIFF_MAX ? mem_try(BLOCK_HEADER + capacity, 1) : NULL;
    if (!block)
        return false;
    block->capacity = capacity;
    block->previous = arena->last;
    arena->last = block;
    return true;
}

void *arena_new(Arena *arena, size_t count, size_t size)
{
    if (size && count > (PTRDIFF_MAX - BLOCK_HEADER - ARENA_ALIGN) / size)
        return or_abort(NULL, count, size);
    size_t bytes = (count * size + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
    if (!arena_try_reserve(arena, bytes))
        return or_abort(NULL, count, size);
    ArenaBlock *block = arena->last;
    void *memory = (char *)block + BLOCK_HEADER + block->used;
    block->used += bytes;
    return memory;
}

char *arena_string_n(Arena *arena, const char *text, size_t bytes)
{
    char *copy = arena_new(arena, bytes + 1, 1);
    if (bytes)
        memcpy(copy, text, bytes);
    return copy;
}

char *arena_string(Arena *arena, const char *text)
{
    return arena_string_n(arena, text, strlen(text));
}

char *arena_format(Arena *arena, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int bytes = vsnprintf(NULL, 0, format, arguments);
    char *text = arena_new(arena, (size_t)(bytes > 0 ? bytes : 0) + 1, 1);
    vsnprintf(text, (size_t)(bytes > 0 ? bytes : 0) + 1, format, again);
    va_end(again);
    va_end(arguments);
    return text;
}

void arena_finish(Arena *arena)
{
    for (ArenaBlock *block = arena->last; block;) {
        ArenaBlock *previous = block->previous;
        free(block);
        block = previous;
    }
    arena->last = NULL;
}

bool text_try_reserve(Text *text, size_t more)
{
    size_t needed = text->bytes + more + 1, capacity = text->capacity ? text->capacity : 64;
    if (needed <= text->capacity)
        return true;
    while (capacity < needed && capacity < PTRDIFF_MAX / 2)
        capacity *= 2;
    char *grown = capacity < needed ? NULL : mem_try_grow(text->data, capacity, 1);
    if (!grown)
        return false;
    text->data = grown;
    text->capacity = capacity;
    return true;
}

static void text_reserve(Text *text, size_t more)
{
    if (!text_try_reserve(text, more))
        or_abort(NULL, text->bytes + more, 1);
}

void text_append(Text *text, const char *data, size_t bytes)
{
    text_reserve(text, bytes);
    if (bytes)
        memcpy(text->data + text->bytes, data, bytes);
    text->bytes += bytes;
    text->data[text->bytes] = '\0';
}

void text_print(Text *text, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int bytes = vsnprintf(NULL, 0, format, arguments);
    if (bytes > 0) {
        text_reserve(text, (size_t)bytes);
        vsnprintf(text->data + text->bytes, (size_t)bytes + 1, format, again);
        text->bytes += (size_t)bytes;
    }
    va_end(again);
    va_end(arguments);
}


static bool is_control(const unsigned char *s, size_t length)
{
    return (s[0] < 0x20 && s[0] != '\n' && s[0] != '\t') || s[0] == 0x7f ||
           (length == 2 && s[0] == 0xc2 && s[1] < 0xa0);      /* U+0080 to U+009F */
}

static void append_cleaned(Text *text, const char *data, size_t bytes, bool controls)
{
    for (size_t at = 0; at < bytes;) {
        const unsigned char *s = (const unsigned char *)data + at;
        size_t length = utf8_character(data + at, bytes - at);
        char picture[3] = {'\xe2', '\x90', (char)(s[0] == 0x7f ? 0xa1 : 0x80 + s[0])};   /* U+2400… */
        if (!length || (length == 2 && !controls && is_control(s, length)))
            text_append(text, "\xef\xbf\xbd", 3);
        else if (!controls && is_control(s, length))
            text_append(text, picture, 3);
        else
            text_append(text, data + at, length);
        at += length ? length : 1;
    }
}

void text_append_valid(Text *text, const char *data, size_t bytes)
{
    append_cleaned(text, data, bytes, true);
}

void text_append_visible(Text *text, const char *data, size_t bytes)
{
    append_cleaned(text, data, bytes, false);
}

void text_clear(Text *text)
{
    text->bytes = 0;
    if (text->data)
        text->data[0] = '\0';
}

void text_finish(Text *text)
{
    free(text->data);
    *text = (Text){0};
}
