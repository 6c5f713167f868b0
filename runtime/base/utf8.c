#include "base/utf8.h"

#include <assert.h>

size_t utf8_character(const char *text, size_t bytes)
{
    const unsigned char *s = (const unsigned char *)text;
    if (s[0] < 0x80)
        return 1;
    size_t length = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4 || bytes < length)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return length;
}

size_t utf8_valid(const char *text, size_t bytes)
{
    size_t at = 0;
    while (at < bytes) {
        size_t length = utf8_character(text + at, bytes - at);
        if (!length)
            break;
        at += length;
    }
    return at;
}

uint32_t utf8_decode(const char *character, size_t bytes)
{
    const unsigned char *s = (const unsigned char *)character;
    static const unsigned char lead[5] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    assert(bytes >= 1 && bytes <= 4);
    uint32_t code = s[0] & lead[bytes];
    for (size_t i = 1; i < bytes; i++)
        code = code << 6 | (s[i] & 0x3f);
    return code;
}

size_t utf8_encode_short(uint32_t code, char out[2])
{
    assert(code < 0x800);
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    out[0] = (char)(0xc0 | code >> 6);
    out[1] = (char)(0x80 | (code & 0x3f));
    return 2;
}

size_t utf8_unfinished(const char *text, size_t bytes)
{
    for (size_t back = 1; back <= 3 && back <= bytes; back++) {
        unsigned char byte = (unsigned char)text[bytes - back];
        size_t length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc2 ? 2 : 1;
        if (length > back && byte <= 0xf4)
            return back;
        if ((byte & 0xc0) != 0x80)
            return 0;
    }
    return 0;
}
