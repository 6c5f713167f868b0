/* Checkpoints: whole or not there, every damaged byte found, the one before is used. */
#include <stdlib.h>

#include "test.h"

#include "base/mem.h"
#include "base/os.h"
#include "train/checkpoint.h"

static const char folder[] = "test_checkpoint folder";

static const CheckpointSection sections[3] = {
    {3000000, "parameters/a"}, {0, "empty"}, {7, "moment1/a"}};

/* Byte `at` of section `index`; `user` counts the bytes until the disk is full. */
static unsigned char byte_at(size_t index, uint64_t at)
{
    return (unsigned char)(at * 31 + index);
}

static tmb_status read_section(void *user, size_t index, uint64_t offset, void *to, uint64_t bytes)
{
    uint64_t *room = user;
    if (room && *room < bytes)
        return fail(TMB_IO, "the disk is full");
    if (room)
        *room -= bytes;
    for (uint64_t i = 0; i < bytes; i++)
        ((unsigned char *)to)[i] = byte_at(index, offset + i);
    return TMB_OK;
}

static tmb_status write_step(uint64_t step, uint64_t *room)
{
    CheckpointState state = {.step = step, .best = 1.5, .rng = {1, 2, 3, 4}};
    char *path = checkpoint_path(folder, step);
    tmb_status status = checkpoint_write(path, &state, sections, 3, read_section, room);
    free(path);
    return status;
}

static uint64_t latest_step(Test *test, bool wants_note)
{
    Checkpoint *checkpoint = NULL;
    char *notes = NULL;
    CHECK_OK(test, checkpoint_latest(folder, &checkpoint, &notes));
    CHECK(test, wants_note == (notes != NULL));
    uint64_t step = checkpoint ? checkpoint->state.step : 0;
    checkpoint_close(&checkpoint);
    free(notes);
    return step;
}

static void round_trip(Test *test)
{
    CHECK(test, latest_step(test, false) == 0);
    REQUIRE_OK(test, write_step(3, NULL));
    char *path = checkpoint_path(folder, 3);
    CHECK(test, os_file_bytes(path) == checkpoint_bytes(sections, 3));
    free(path);
    Checkpoint *checkpoint = NULL;
    char *notes = NULL;
    REQUIRE_OK(test, checkpoint_latest(folder, &checkpoint, &notes));
    REQUIRE(test, checkpoint && checkpoint->count == 3);
    CHECK(test, checkpoint->state.rng[3] == 4 && checkpoint->state.best == 1.5);
    CHECK_STRING(test, "moment1/a", checkpoint->sections[2].name);
    for (size_t i = 0; i < 3; i++) {
        bool same = true;
        for (uint64_t at = 0; at < sections[i].bytes; at++)
            same &= checkpoint->data[i][at] == byte_at(i, at);
        CHECK(test, same);
    }
    checkpoint_close(&checkpoint);
}

static void keeps_the_last_two(Test *test)
{
    for (uint64_t step = 4; step < 8; step++) {
        CHECK_OK(test, write_step(step, NULL));
        CHECK_OK(test, checkpoint_prune(folder, 2, step));
    }
    char **names;
    size_t count;
    REQUIRE_OK(test, os_list(folder, &names, &count));
    REQUIRE(test, count == 2);
    CHECK_STRING(test, "step-00000006.ckpt", names[0]);
    CHECK_STRING(test, "step-00000007.ckpt", names[1]);
    os_list_free(&names, count);
}

static void full_disk(Test *test)
{
    uint64_t room = 2500000;
    CHECK_STATUS(test, TMB_IO, write_step(8, &room));
    CHECK_SAYS(test, "full");
    CHECK(test, latest_step(test, false) == 7);
}

/* Flips one byte, or cuts the file to `bytes`; then step 6 must be found. */
static void damage(Test *test, const char *good, size_t bytes, size_t flip)
{
    char *path = checkpoint_path(folder, 7), *bad = mem_new(bytes + 1, 1);
    memcpy(bad, good, bytes);
    if (flip < bytes)
        bad[flip] ^= 0x10;
    CHECK_OK(test, os_write_file(path, bad, bytes));
    CHECK(test, latest_step(test, true) == 6);
    free(bad);
    free(path);
}

static void every_damage_is_found(Test *test)
{
    char *path = checkpoint_path(folder, 7), *good = NULL;
    size_t bytes;
    REQUIRE_OK(test, os_read_file(path, &good, &bytes));
    const size_t flips[] = {0, 7, 8, 100, 180, 190, 200, 600, 1000000, bytes - 33, bytes - 1};
    for (size_t i = 0; i < COUNT_OF(flips); i++)
        damage(test, good, bytes, flips[i]);
    const size_t cuts[] = {0, 1, 8, 100, 183, 184, 600, bytes / 2, bytes - 32, bytes - 1};
    for (size_t i = 0; i < COUNT_OF(cuts); i++)
        damage(test, good, cuts[i], SIZE_MAX);
    CHECK_OK(test, checkpoint_prune(folder, 2, 6));     /* going on from 6 drops the bad 7 */
    CHECK(test, latest_step(test, false) == 6);
    free(good);
    free(path);
}

int main(void)
{
    Test test = {.name = "checkpoint"};
    CHECK_OK(&test, os_remove_tree(folder));
    CHECK_OK(&test, os_make_directories(folder));
    round_trip(&test);
    keeps_the_last_two(&test);
    full_disk(&test);
    every_damage_is_found(&test);
    CHECK_OK(&test, os_remove_tree(folder));
    return test_end(&test);
}
