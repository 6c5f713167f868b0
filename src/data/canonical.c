/* Reduces a Jinja chat template to a form in which equal templates are equal text. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "data/chat_style.h"

/* Appends a literal's character, its own quotes out of the way of the literal's. */
static void put_literal(Text *out, char character)
{
    if (character == '"')
        character = '\2';
    text_append(out, &character, 1);
}

/* A quoted string; returns what follows it, NULL when it does not end. */
static const char *copy_literal(const char *at, Text *out)
{
    char quote = *at++;
    text_append(out, "\"", 1);
    for (; *at && *at != quote; at++) {
        if (*at != '\\') {
            put_literal(out, *at);
            continue;
        }
        at++;
        if (!*at)
            return NULL;
        put_literal(out, *at == 'n' ? '\n' : *at == 't' ? '\t' : *at == 'r' ? '\r' : *at);
    }
    text_append(out, "\"", 1);
    return *at ? at + 1 : NULL;
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* .content and .role are other ways to write ['content'] and ['role']. */
static const char *copy_member(const char *at, Text *out)
{
    static const char *const members[] = {"content", "role"};
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        size_t bytes = strlen(members[i]);
        if (strncmp(at + 1, members[i], bytes) == 0 && !is_word(at[bytes + 1])) {
            text_print(out, "[\"%s\"]", members[i]);
            return at + 1 + bytes;
        }
    }
    text_append(out, ".", 1);
    return at + 1;
}

/* The code of a tag up to its closing "}}" or "%}"; returns what follows, or NULL. */
static const char *copy_code(const char *at, char close, Text *out, bool *strips)
{
    *strips = false;
    while (*at) {
        const char *end = *at == '-' || *at == '+' ? at + 1 : at;
        if (end[0] == close && end[1] == '}') {
            *strips = end != at && *at == '-';
            return end + 2;
        }
        if (*at == '\'' || *at == '"') {
            at = copy_literal(at, out);
            if (!at)
                return NULL;
        } else if (*at == '.') {
            at = copy_member(at, out);
        } else {
            if (!strchr(" \t\r\n", *at))
                text_append(out, at, 1);
            at++;
        }
    }
    return NULL;
}

/* Where the text between two tags stands. */
typedef struct Between {
    const char *source;          /* the whole template */
    bool strip_left, strip_right;          /* a '-' asks for it */
    bool after_block, before_block;        /* the neighbour is no {{ output }} */
} Between;

/* Text between two tags, with Jinja's trim_blocks and lstrip_blocks as transformers sets
 * them: what is left of it is output. */
static void copy_outside(const Between *place, const char *text, size_t bytes, Text *out)
{
    const char *end = text + bytes;
    if (place->strip_left)
        while (text < end && strchr(" \t\r\n", *text))
            text++;
    else if (place->after_block && text < end && *text == '\n')
        text++;
    if (place->strip_right) {
        while (end > text && strchr(" \t\r\n", end[-1]))
            end--;
    } else if (place->before_block) {
        const char *line = end;
        while (line > text && (line[-1] == ' ' || line[-1] == '\t'))
            line--;
        if (line == place->source || line[-1] == '\n')
            end = line;
    }
    if (text == end)
        return;
    text_append(out, "{{\"", 3);
    for (; text < end; text++)
        put_literal(out, *text);
    text_append(out, "\"}}", 3);
}

/* Removes every occurrence, again in what then stands together. */
static void replace_all(Text *text, const char *what, const char *by)
{
    size_t bytes = strlen(what), by_bytes = strlen(by);
    char *from = text->data, *to = from;
    while (*from) {
        if (strncmp(from, what, bytes) == 0) {
            memcpy(to, by, by_bytes);
            from += bytes;
            to += by_bytes;
        } else {
            *to++ = *from++;
        }
    }
    *to = '\0';
    text->bytes = (size_t)(to - text->data);
}

static bool copy_template(const char *source, Text *out)
{
    Between place = {.source = source};
    for (const char *at = source;;) {
        const char *tag = at;
        while ((tag = strchr(tag, '{')) && !strchr("{%#", tag[1] ? tag[1] : ' '))
            tag++;
        place.strip_right = tag && tag[2] == '-';
        place.before_block = tag && tag[1] != '{';
        copy_outside(&place, at, tag ? (size_t)(tag - at) : strlen(at), out);
        if (!tag)
            return true;
        char kind = tag[1];
        at = tag + 2 + (tag[2] == '-' || tag[2] == '+');
        place.after_block = kind != '{';
        if (kind == '#') {
            const char *end = strstr(at, "#}");
            if (!end)
                return false;
            place.strip_left = end > at && end[-1] == '-';
            at = end + 2;
            continue;
        }
        text_append(out, kind == '{' ? "{{" : "{%", 2);
        at = copy_code(at, kind == '{' ? '}' : '%', out, &place.strip_left);
        if (!at)
            return false;
        text_append(out, kind == '{' ? "}}" : "%}", 2);
    }
}

char *template_canonical(const char *source)
{
    Text out = {0};
    text_append(&out, "", 0);
    if (!copy_template(source, &out)) {
        text_finish(&out);
        return NULL;
    }
    replace_all(&out, "}}{{", "+");
    replace_all(&out, "\"+\"", "");
    return out.data;
}
