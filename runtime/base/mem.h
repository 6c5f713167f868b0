#ifndef BASE_MEM_H
#define BASE_MEM_H
/* Host memory. Small bookkeeping never fails: mem_new, mem_grow and the arena
 * print one sentence and abort when a few kilobytes cannot be had, as nothing
 * sensible can follow. Sizes that come from files or users go through mem_try. */

#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>

/* count × size zeroed bytes; release with free(). Never NULL. */
void *mem_new(size_t count, size_t size);
/* Like realloc for count × size bytes; new bytes are not cleared. Never NULL. */
void *mem_grow(void *old, size_t count, size_t size);
/* count × size zeroed bytes, or NULL when they cannot be had or would overflow. */
void *mem_try(size_t count, size_t size);
/* Like mem_grow, or NULL, and the old block is as it was. */
void *mem_try_grow(void *old, size_t count, size_t size);
/* `items` with room for one more than `count`: as it is, or grown to twice its `capacity`. NULL
 * when memory is short; items and capacity are then as they were. */
void *mem_try_room(void *items, size_t count, size_t *capacity, size_t size);
/* A copy of text, or of its first `bytes` bytes with a terminator. */
char *mem_string(const char *text);
char *mem_string_n(const char *text, size_t bytes);

#define MEM_NEW(type) ((type *)mem_new(1, sizeof(type)))
#define MEM_NEW_ARRAY(type, count) ((type *)mem_new((count), sizeof(type)))
#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

/* A chain of blocks freed together. Pointers stay valid until arena_finish. */
typedef struct ArenaBlock ArenaBlock;
typedef struct Arena {
    ArenaBlock *last;
} Arena;

void *arena_new(Arena *arena, size_t count, size_t size);   /* zeroed, 16-byte aligned */
char *arena_string(Arena *arena, const char *text);
char *arena_string_n(Arena *arena, const char *text, size_t bytes);
char *arena_format(Arena *arena, const char *format, ...);
/* So that the next allocations, `bytes` of them together, do not abort; false: no memory. */
bool arena_try_reserve(Arena *arena, size_t bytes);
void arena_finish(Arena *arena);

/* A growing byte string, always NUL-terminated once anything was appended. */
typedef struct Text {
    char *data;
    size_t bytes, capacity;
} Text;

void text_append(Text *text, const char *data, size_t bytes);
/* So that the next `more` bytes do not abort; false: no memory. */
bool text_try_reserve(Text *text, size_t more);
void text_print(Text *text, const char *format, ...);
/* Appends text as UTF-8: what is none becomes U+FFFD. */
void text_append_valid(Text *text, const char *data, size_t bytes);
/* Appends what others wrote for a terminal to show: nothing in it may steer the terminal. Control
 * characters but line end and tab, and bytes that are no UTF-8, become signs ("\x1b": U+241B). */
void text_append_visible(Text *text, const char *data, size_t bytes);
void text_clear(Text *text);    /* keeps the memory */
void text_finish(Text *text);   /* releases it; the Text may be used again */

#endif
