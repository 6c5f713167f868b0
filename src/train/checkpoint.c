#include "train/checkpoint.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static const char magic[8] = {'T', 'M', 'B', 'C', 'K', 'P', 'T', '1'};
static const char suffix[] = ".ckpt";

enum {
    HEAD_BYTES = sizeof magic + sizeof(CheckpointState) + sizeof(uint64_t),
    PIECE_BYTES = 1 << 20,
};
static_assert(sizeof(CheckpointState) == 17 * 8 + SHA256_BYTES, "no padding on any compiler");
static_assert(sizeof(CheckpointSection) == 128, "one layout everywhere");

/* ---- writing ------------------------------------------------------------ */

/* Gathers small pieces: one write for a thousand small tensors. */
typedef struct Writer {
    OsReplace *file;
    Sha256 hash;
    size_t held;
    unsigned char piece[PIECE_BYTES];
} Writer;

static tmb_status flush(Writer *writer)
{
    if (!writer->held)
        return TMB_OK;
    size_t bytes = writer->held;
    writer->held = 0;
    return os_replace_write(writer->file, writer->piece, bytes);
}

static tmb_status put(Writer *writer, const void *data, size_t bytes)
{
    sha256_update(&writer->hash, data, bytes);
    while (bytes) {
        size_t room = sizeof writer->piece - writer->held;
        size_t take = bytes < room ? bytes : room;
        memcpy(writer->piece + writer->held, data, take);
        writer->held += take;
        data = (const char *)data + take;
        bytes -= take;
        if (writer->held == sizeof writer->piece)
            TRY(flush(writer));
    }
    return TMB_OK;
}

static tmb_status put_section(Writer *writer, const CheckpointSection *section, size_t index,
                              CheckpointRead read, void *user, void *piece)
{
    for (uint64_t at = 0; at < section->bytes; at += PIECE_BYTES) {
        uint64_t bytes = section->bytes - at < PIECE_BYTES ? section->bytes - at : PIECE_BYTES;
        TRY(read(user, index, at, piece, bytes));
        TRY(put(writer, piece, (size_t)bytes));
    }
    return TMB_OK;
}

static tmb_status put_all(Writer *writer, const CheckpointState *state,
                          const CheckpointSection *sections, size_t count, CheckpointRead read,
                          void *user)
{
    uint64_t section_count = count;
    unsigned char digest[SHA256_BYTES];
    TRY(put(writer, magic, sizeof magic));
    TRY(put(writer, state, sizeof *state));
    TRY(put(writer, &section_count, sizeof section_count));
    TRY(put(writer, sections, count * sizeof *sections));
    void *piece = mem_new(PIECE_BYTES, 1);
    tmb_status status = TMB_OK;
    for (size_t i = 0; !status && i < count; i++)
        status = put_section(writer, &sections[i], i, read, user, piece);
    free(piece);
    TRY(status);
    Sha256 hash = writer->hash;
    sha256_final(&hash, digest);
    TRY(put(writer, digest, sizeof digest));
    return flush(writer);
}

tmb_status checkpoint_write(const char *path, const CheckpointState *state,
                            const CheckpointSection *sections, size_t count,
                            CheckpointRead read, void *user)
{
    Writer *writer = MEM_NEW(Writer);
    sha256_init(&writer->hash);
    tmb_status status = os_replace_begin(path, &writer->file);
    if (!status)
        status = put_all(writer, state, sections, count, read, user);
    if (!status)
        status = os_replace_commit(&writer->file);
    os_replace_abort(&writer->file);
    free(writer);
    return status;
}

uint64_t checkpoint_bytes(const CheckpointSection *sections, size_t count)
{
    uint64_t bytes = HEAD_BYTES + count * sizeof *sections + SHA256_BYTES;
    for (size_t i = 0; i < count; i++)
        bytes += sections[i].bytes;
    return bytes;
}

/* ---- reading ------------------------------------------------------------ */

static tmb_status damaged(const Checkpoint *checkpoint, const char *why)
{
    return fail(TMB_BAD_INPUT, "%s: the checkpoint is damaged (%s)", checkpoint->path, why);
}

/* The sections' table and where their bytes lie; the file is known to be as written. */
static tmb_status read_table(Checkpoint *checkpoint, uint64_t body_bytes)
{
    const unsigned char *data = checkpoint->map.data;
    uint64_t count;
    memcpy(&count, data + HEAD_BYTES - sizeof count, sizeof count);
    if (count > (body_bytes - HEAD_BYTES) / sizeof(CheckpointSection))
        return damaged(checkpoint, "more sections than the file can hold");
    checkpoint->count = (size_t)count;
    checkpoint->sections = MEM_NEW_ARRAY(CheckpointSection, checkpoint->count);
    checkpoint->data = MEM_NEW_ARRAY(const unsigned char *, checkpoint->count);
    memcpy(checkpoint->sections, data + HEAD_BYTES, checkpoint->count * sizeof(CheckpointSection));
    uint64_t at = HEAD_BYTES + count * sizeof(CheckpointSection);
    for (size_t i = 0; i < checkpoint->count; i++) {
        CheckpointSection *section = &checkpoint->sections[i];
        if (section->bytes > body_bytes - at || !memchr(section->name, 0, sizeof section->name))
            return damaged(checkpoint, "a section runs past the end");
        checkpoint->data[i] = data + at;
        at += section->bytes;
    }
    return at == body_bytes ? TMB_OK : damaged(checkpoint, "bytes behind the last section");
}

static tmb_status prove(Checkpoint *checkpoint)
{
    const OsMap *map = &checkpoint->map;
    if (map->bytes < HEAD_BYTES + SHA256_BYTES || memcmp(map->data, magic, sizeof magic))
        return damaged(checkpoint, "it does not begin like one");
    uint64_t body_bytes = map->bytes - SHA256_BYTES;
    unsigned char digest[SHA256_BYTES];
    Sha256 hash;
    sha256_init(&hash);
    sha256_update(&hash, map->data, (size_t)body_bytes);
    sha256_final(&hash, digest);
    if (memcmp(digest, map->data + body_bytes, sizeof digest))
        return damaged(checkpoint, "its SHA-256 does not match");
    memcpy(&checkpoint->state, map->data + sizeof magic, sizeof checkpoint->state);
    return read_table(checkpoint, body_bytes);
}

tmb_status checkpoint_open(const char *path, Checkpoint **out)
{
    *out = NULL;
    Checkpoint *checkpoint = MEM_NEW(Checkpoint);
    checkpoint->path = mem_string(path);
    tmb_status status = os_map(path, &checkpoint->map);
    if (!status)
        status = prove(checkpoint);
    if (status)
        checkpoint_close(&checkpoint);
    *out = checkpoint;
    return status;
}

void checkpoint_close(Checkpoint **checkpoint)
{
    if (!*checkpoint)
        return;
    os_unmap(&(*checkpoint)->map);
    free((*checkpoint)->sections);
    free((*checkpoint)->data);
    free((*checkpoint)->path);
    free(*checkpoint);
    *checkpoint = NULL;
}

/* ---- the folder --------------------------------------------------------- */

char *checkpoint_path(const char *folder, uint64_t step)
{
    char name[64];
    snprintf(name, sizeof name, "step-%08" PRIu64 "%s", step, suffix);
    return os_join(folder, name);
}

static bool is_checkpoint(const char *name)
{
    size_t bytes = strlen(name);
    return !strncmp(name, "step-", 5) && bytes > sizeof suffix &&
           !strcmp(name + bytes - (sizeof suffix - 1), suffix);
}

tmb_status checkpoint_latest(const char *folder, Checkpoint **out, char **notes)
{
    char **names;
    size_t count;
    Text text = {0};
    *out = NULL;
    TRY(os_list(folder, &names, &count));
    for (size_t i = count; i-- > 0 && !*out;) {
        if (!is_checkpoint(names[i]))
            continue;
        char *path = os_join(folder, names[i]);
        if (checkpoint_open(path, out) != TMB_OK)
            text_print(&text, "%s; the one before it is used\n", tmb_last_error());
        free(path);
    }
    os_list_free(&names, count);
    *notes = text.data;
    return TMB_OK;
}

tmb_status checkpoint_prune(const char *folder, size_t keep, uint64_t newest)
{
    char **names;
    size_t count, kept = 0;
    tmb_status status = TMB_OK;
    TRY(os_list(folder, &names, &count));
    for (size_t i = count; i-- > 0 && !status;) {
        if (strncmp(names[i], "step-", 5))
            continue;
        if (is_checkpoint(names[i]) && strtoull(names[i] + 5, NULL, 10) <= newest &&
            kept++ < keep)
            continue;
        char *path = os_join(folder, names[i]);
        status = os_remove(path);
        free(path);
    }
    os_list_free(&names, count);
    return status;
}
