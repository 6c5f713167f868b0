/* The stand-in for the kernel of kernel-check --compile-for, asked as drivers ask: which card,
 * which engines, how much of an answer fits. */
#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "standin.h"
#include "test.h"

int drmGetDevices2(uint32_t flags, void *devices[], int most);

enum { CALL_GET_PARAMETER = 0x40, CALL_OBJECT = 0x47, CALL_INFO = 0x45, CALL_QUERY = 0x79,
       CALL_GET_PARAMETER_I915 = 0x46 };

static void describe(const char *card)
{
    setenv(STANDIN_VARIABLE, card, 1);
}

static int call(unsigned number, void *argument, unsigned bytes)
{
    return ioctl(-1, _IOC(_IOC_READ | _IOC_WRITE, 'd', number, bytes), argument);
}

/* The class of the highest number that ends in these two digits, as NVK looks for it. */
static uint32_t engine_class(uint32_t ending)
{
    _Alignas(8) struct { uint8_t call[24], version, count, unused[6]; struct { uint32_t number, versions; } list[16]; } asked =
        {.call = {0, 1}, .count = 16};
    uint32_t found = 0;
    if (call(CALL_OBJECT, &asked, sizeof asked) != 0)
        return 0;
    for (unsigned i = 0; i < asked.count; i++)
        if ((asked.list[i].number & 0xff) == ending && asked.list[i].number > found)
            found = asked.list[i].number;
    return found;
}

static void check_devices(Test *test)
{
    void *devices[2] = {NULL, NULL};
    unsetenv(STANDIN_VARIABLE);
    CHECK(test, drmGetDevices2(0, devices, 2) == 0);
    describe("nonsense");
    CHECK(test, drmGetDevices2(0, NULL, 0) == 0);
    describe("10de:2684:192:0:0");
    CHECK(test, drmGetDevices2(0, NULL, 0) == 1);
    CHECK(test, drmGetDevices2(0, devices, 0) == 0 && !devices[0]);
    CHECK(test, drmGetDevices2(0, devices, 2) == 1 && devices[0] && !devices[1]);
    free(devices[0]);
}

static void check_nouveau(Test *test)
{
    static const struct { const char *card; uint32_t copy, draw, compute; } generations[] = {
        {"10de:1180:e4:0:0", 0xa0b5, 0xa097, 0xa0c0}, {"10de:13c0:124:0:0", 0xb0b5, 0xb197, 0xb1c0},
        {"10de:1b80:134:0:0", 0xc1b5, 0xc197, 0xc1c0}, {"10de:1e04:162:0:0", 0xc5b5, 0xc597, 0xc5c0},
        {"10de:2684:192:0:0", 0xc7b5, 0xc997, 0xc9c0}, {"10de:2b85:1b2:0:0", 0xcab5, 0xce97, 0xcec0}};
    for (size_t i = 0; i < sizeof generations / sizeof generations[0]; i++) {
        describe(generations[i].card);
        CHECK(test, engine_class(0xb5) == generations[i].copy);
        CHECK(test, engine_class(0x97) == generations[i].draw);
        CHECK(test, engine_class(0xc0) == generations[i].compute);
    }
    uint64_t parameter[2] = {11, 0};
    describe("10de:2684:192:0:0");
    CHECK(test, call(CALL_GET_PARAMETER, parameter, sizeof parameter) == 0 && parameter[1] == 0x192);
    parameter[0] = 999;
    CHECK(test, call(CALL_GET_PARAMETER, parameter, sizeof parameter) == -1 && errno == EINVAL);
    describe("10de:1:50:0:0");   /* too old for any driver */
    CHECK(test, engine_class(0xc0) == 0);
}

static void check_amdgpu(Test *test)
{
    _Alignas(8) uint32_t answer[16], words[8] = {0};
    const uint64_t address = (uint64_t)(uintptr_t)answer;
    memset(answer, 0xee, sizeof answer);
    describe("1002:7550:50:98:c00");
    memcpy(words, &address, sizeof address);
    words[2] = 5 * sizeof *answer;                /* room for five words of many */
    words[3] = 0x16;                              /* the device */
    CHECK(test, call(CALL_INFO, words, sizeof words) == 0);
    CHECK(test, answer[0] == 0x7550 && answer[2] == 0x50 && answer[4] == 0x98);
    CHECK(test, answer[5] == 0xeeeeeeee);
    words[2] = 32;
    words[3] = 0x02;                              /* its graphics engine */
    CHECK(test, call(CALL_INFO, words, sizeof words) == 0 && answer[7] == 0x0c0000);
    words[3] = 0x15;                              /* more registers than there is room for */
    words[2] = 8, words[4] = 0x263e, words[5] = 9;
    answer[2] = 0xeeeeeeee;
    CHECK(test, call(CALL_INFO, words, sizeof words) == 0 && answer[0] != 0 && answer[1] == 0);
    CHECK(test, answer[2] == 0xeeeeeeee);
    words[3] = 0x7777;
    CHECK(test, call(CALL_INFO, words, sizeof words) == -1 && errno == EINVAL);
}

static void check_i915(Test *test)
{
    uint8_t units[64];
    struct { uint64_t asked; int32_t bytes; uint32_t flags; uint64_t answer; } item = {.asked = 1};
    struct { uint32_t count, flags; uint64_t items; } query = {1, 0, (uint64_t)(uintptr_t)&item};
    describe("8086:5690:10:1:0");
    CHECK(test, call(CALL_QUERY, &query, sizeof query) == 0 && item.bytes == 26);   /* how much it is */
    item.bytes = 25;
    CHECK(test, call(CALL_QUERY, &query, sizeof query) == 0 && item.bytes == -EINVAL);
    item.bytes = 26;
    item.answer = (uint64_t)(uintptr_t)units;
    memset(units, 0xee, sizeof units);
    CHECK(test, call(CALL_QUERY, &query, sizeof query) == 0 && item.bytes == 26);
    CHECK(test, units[6] == 16 && units[16] == 1 && units[17] == 15 && units[25] == 0xff && units[26] == 0xee);
    item.asked = 4;
    item.bytes = 0;   /* regions: with own memory two */
    CHECK(test, call(CALL_QUERY, &query, sizeof query) == 0 && item.bytes == 16 + 2 * 88);
    item.asked = 99;
    CHECK(test, call(CALL_QUERY, &query, sizeof query) == 0 && item.bytes == -EINVAL);
    int32_t value = 0;
    struct { int32_t name; int32_t *value; } parameter = {4, &value};
    CHECK(test, call(CALL_GET_PARAMETER_I915, &parameter, sizeof parameter) == 0 && value == 0x5690);
    parameter.name = 58;
    CHECK(test, call(CALL_GET_PARAMETER_I915, &parameter, sizeof parameter) == -1 && errno == EINVAL);
}

int main(void)
{
    Test test = {.name = "standin"};
    check_devices(&test);
    check_nouveau(&test);
    check_amdgpu(&test);
    check_i915(&test);
    unsetenv(STANDIN_VARIABLE);
    CHECK(&test, ioctl(-1, _IOC(_IOC_READ, 'd', 0, 8), NULL) == -1 && errno == EBADF);   /* the kernel's own */
    return test_end(&test);
}
