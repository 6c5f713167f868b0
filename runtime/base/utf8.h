#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes (1…4) of the well-formed UTF-8 character at `text`, 0 when there is none: no
 * overlong forms, no surrogates, nothing above U+10FFFF (RFC 3629). bytes > 0. */
size_t utf8_character(const char *text, size_t bytes);
/* Bytes of the well-formed start of the text: `bytes` when all of it is. */
size_t utf8_valid(const char *text, size_t bytes);
/* Of a well-formed character. */
uint32_t utf8_decode(const char *character, size_t bytes);
/* Writes code < 0x800; returns 1 or 2. */
size_t utf8_encode_short(uint32_t code, char out[2]);
/* Bytes at the end that begin a character which more bytes could complete: 0…3. */
size_t utf8_unfinished(const char *text, size_t bytes);

#endif
