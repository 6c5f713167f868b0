#include "families.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/os.h"

/* The numbers of a card are the kernel drivers' (standin/standin.h). One NVIDIA chip stands for its generation, whose processors are alike to the compiler; but
 * for Kepler, where GK104 and below have a quarter of the registers (63 an invocation) and spill. */
const CardFamily card_families[] = {
    {"polaris10", COMPILER_AMD, NULL, "RX 480, RX 580", {0}},
    {"vega10", COMPILER_AMD, NULL, "RX Vega 56, Vega 64", {0}},
    {"raven", COMPILER_AMD, NULL, "Ryzen 2000 graphics", {0}},
    {"renoir", COMPILER_AMD, NULL, "Ryzen 4000 and 5000 graphics", {0}},
    {"navi10", COMPILER_AMD, NULL, "RX 5700 XT", {0}},
    {"navi14", COMPILER_AMD, NULL, "RX 5500 XT", {0}},
    {"vangogh", COMPILER_AMD, NULL, "Steam Deck", {0}},
    {"rembrandt", COMPILER_AMD, NULL, "Ryzen 6000 graphics", {0}},
    {"navi21", COMPILER_AMD, NULL, "RX 6800, RX 6900 XT", {0}},
    {"navi22", COMPILER_AMD, NULL, "RX 6700 XT", {0}},
    {"navi23", COMPILER_AMD, NULL, "RX 6600 XT", {0}},
    {"navi24", COMPILER_AMD, NULL, "RX 6500 XT", {0}},
    {"navi31", COMPILER_AMD, "gfx1100", "RX 7900 XTX", {0}},
    {"navi32", COMPILER_AMD, "gfx1101", "RX 7800 XT", {0}},
    {"navi33", COMPILER_AMD, "gfx1102", "RX 7600", {0}},
    {"phoenix", COMPILER_AMD, "gfx1103_r1", "Ryzen 7040 graphics", {0}},
    {"gfx1150", COMPILER_AMD, NULL, "Ryzen AI 300 graphics", {0}},
    {"gfx1151", COMPILER_AMD_NEWEST, NULL, "Ryzen AI Max graphics", {STANDIN_AMD, 0x1586, 0xc0, 150, 0x0b05}},
    {"gfx1152", COMPILER_AMD_NEWEST, NULL, "Ryzen AI 5 340 graphics", {STANDIN_AMD, 0x1114, 0x40, 150, 0x0b05}},
    {"gfx1200", COMPILER_AMD_NEWEST, NULL, "RX 9060 XT", {STANDIN_AMD, 0x7590, 0x40, 152, 0x0c00}},
    {"gfx1201", COMPILER_AMD_NEWEST, NULL, "RX 9070 XT", {STANDIN_AMD, 0x7550, 0x50, 152, 0x0c00}},
    {"skl", COMPILER_INTEL, NULL, "HD Graphics 530", {STANDIN_INTEL, 0x1912, 8, 0, 0}},
    {"icl", COMPILER_INTEL, NULL, "Iris Plus, 10th generation", {STANDIN_INTEL, 0x8a52, 8, 0, 0}},
    {"tgl", COMPILER_INTEL, NULL, "Iris Xe, 11th generation", {STANDIN_INTEL, 0x9a49, 16, 0, 0}},
    {"adl", COMPILER_INTEL, NULL, "UHD 770, 12th generation", {STANDIN_INTEL, 0x4680, 16, 0, 0}},
    {"rpl", COMPILER_INTEL, NULL, "UHD 770, 13th generation", {STANDIN_INTEL, 0xa780, 16, 0, 0}},
    {"dg2", COMPILER_INTEL, NULL, "Arc A750, A770", {STANDIN_INTEL, 0x5690, 16, 1, 0}},
    {"mtl", COMPILER_INTEL, NULL, "Core Ultra 100 graphics", {STANDIN_INTEL, 0x7d60, 16, 0, 0}},
    {"arl", COMPILER_INTEL, NULL, "Core Ultra 200 graphics", {STANDIN_INTEL, 0x7d67, 16, 0, 0}},
    {"lnl", COMPILER_INTEL, NULL, "Core Ultra 200V graphics", {STANDIN_INTEL, 0x64a0, 8, 0, 0}},
    {"bmg", COMPILER_INTEL, NULL, "Arc B570, B580", {STANDIN_INTEL, 0xe202, 8, 1, 0}},
    {"ptl", COMPILER_INTEL_NEWEST, NULL, "Core Ultra 300 graphics", {STANDIN_INTEL, 0xb080, 8, 0, 0}},
    {"wcl", COMPILER_INTEL_NEWEST, NULL, "Wildcat Lake graphics", {STANDIN_INTEL, 0xfd80, 8, 0, 0}},
    {"kepler", COMPILER_NVIDIA, "gk110", "GTX 780, Titan", {STANDIN_NVIDIA, 0x1004, 0xf0, 0, 0}},
    {"maxwell", COMPILER_NVIDIA, "gm204", "GTX 960 to 980 Ti", {STANDIN_NVIDIA, 0x13c0, 0x124, 0, 0}},
    {"pascal", COMPILER_NVIDIA, "gp104", "GTX 1050 to 1080 Ti", {STANDIN_NVIDIA, 0x1b80, 0x134, 0, 0}},
    {"volta", COMPILER_NVIDIA, "gv100", "Titan V, V100", {STANDIN_NVIDIA, 0x1d81, 0x140, 0, 0}},
    {"turing", COMPILER_NVIDIA, "tu102", "RTX 2060 to 2080 Ti", {STANDIN_NVIDIA, 0x1e04, 0x162, 0, 0}},
    {"ampere", COMPILER_NVIDIA, "ga102", "RTX 3050 to 3090 Ti", {STANDIN_NVIDIA, 0x2204, 0x172, 0, 0}},
    {"ada", COMPILER_NVIDIA, "ad102", "RTX 4060 to 4090", {STANDIN_NVIDIA, 0x2684, 0x192, 0, 0}},
    {"blackwell", COMPILER_NVIDIA, "gb202", "RTX 5060 to 5090", {STANDIN_NVIDIA, 0x2b85, 0x1b2, 0, 0}},
};
const size_t card_family_count = COUNT_OF(card_families);

/* What compilers.json calls each driver, whose cards it is for, and the name of the system's own,
 * which will do as well where it knows the card. */
static const struct { const char *key, *vendor, *system; } compilers_table[COMPILER_COUNT] = {
    [COMPILER_AMD] = {"amd", "amd", "radeon"},
    [COMPILER_INTEL] = {"intel", "intel", "intel"},
    [COMPILER_AMD_NEWEST] = {"amd_newest", "amd", "radeon"},
    [COMPILER_INTEL_NEWEST] = {"intel_newest", "intel", "intel"},
    [COMPILER_NVIDIA] = {"nvidia", "nvidia", "nouveau"},
};

tmb_status families_chosen(const char *list, bool *chosen)
{
    while (*list) {
        size_t length = strcspn(list, ",");
        bool known = false;
        for (size_t i = 0; i < card_family_count; i++) {
            const char *const names[] = {card_families[i].name, card_families[i].alias,
                                         compilers_table[card_families[i].compiler].vendor, "all"};
            for (size_t n = 0; n < COUNT_OF(names); n++)
                if (names[n] && strlen(names[n]) == length && !strncmp(names[n], list, length))
                    known = chosen[i] = true;
        }
        if (!known)
            return fail(TMB_USAGE, "--compile-for %.*s: it takes amd, intel, nvidia, all, or "
                                   "families such as navi31,dg2,ampere", (int)length, list);
        list += length + (list[length] == ',');
    }
    return TMB_OK;
}

/* The first that exists of the places where distributions put the driver. */
static char *find_system_driver(const char *name)
{
    static const char *const places[] = {
        "/usr/share/vulkan/icd.d/%s_icd.x86_64.json", "/usr/share/vulkan/icd.d/%s_icd.json",
        "/usr/share/vulkan/icd.d/%s_icd.aarch64.json", "/etc/vulkan/icd.d/%s_icd.x86_64.json"};
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        char path[128];
        snprintf(path, sizeof path, places[i], name);
        if (os_exists(path))
            return mem_string(path);
    }
    return NULL;
}

static char *setting(const JsonAt *at, const char *key)
{
    const char *text;
    if (json_string_or(at, key, NULL, &text) != TMB_OK || !text)
        return NULL;
    return mem_string(text);
}

static void find_cached_drivers(const char *cache, Compiler out[COMPILER_COUNT])
{
    cJSON *tree = NULL;
    char *path = os_join(cache, "compilers/compilers.json");
    if (os_exists(path) && json_read_file(path, &tree) == TMB_OK) {
        JsonAt at = json_at(path, tree), one;
        for (size_t k = 0; k < COMPILER_COUNT; k++)
            if (json_has(&at, compilers_table[k].key) &&
                json_object(&at, compilers_table[k].key, &one) == TMB_OK)
                out[k] = (Compiler){.driver = setting(&one, "driver"), .libraries = setting(&one, "libraries"),
                                    .linker = setting(&one, "linker")};
    }
    cJSON_Delete(tree);
    free(path);
}

/* standin/ as a library, beside this program; NULL: this build has none. */
static char *find_standin(void)
{
    char *program = os_executable(), *path = NULL;
    char *end = program ? strrchr(program, '/') : NULL;
    if (end) {
        *end = '\0';
        path = os_join(program, "libstandin.so");
    }
    if (path && !os_exists(path)) {
        free(path);
        path = NULL;
    }
    free(program);
    return path;
}

void compilers_find(Compiler out[COMPILER_COUNT])
{
    const char *choice = getenv("TIMBRE_COMPILERS");   /* "system": not the ones in the cache */
    char *cache = choice && !strcmp(choice, "system") ? NULL : os_cache_directory();
    for (size_t k = 0; k < COMPILER_COUNT; k++)
        out[k] = (Compiler){0};
    if (cache)
        find_cached_drivers(cache, out);
    for (size_t k = 0; k < COMPILER_COUNT; k++) {
        if (!out[k].driver)
            out[k].driver = find_system_driver(compilers_table[k].system);
        if (k != COMPILER_AMD)
            out[k].standin = find_standin();
        if (!out[k].driver)
            out[k].missing = "no driver here; tools/compilers-setup fetches it";
        else if (k != COMPILER_AMD && !out[k].standin)
            out[k].missing = "nothing plays the card's part: libstandin.so is built on Linux only";
    }
    free(cache);
}

void compilers_free(Compiler compilers[COMPILER_COUNT])
{
    for (size_t k = 0; k < COMPILER_COUNT; k++) {
        free(compilers[k].driver);
        free(compilers[k].libraries);
        free(compilers[k].standin);
        free(compilers[k].linker);
        compilers[k] = (Compiler){0};
    }
}

void compiler_enter(const Compiler *compiler, const CardFamily *family, const char *name)
{
    const StandinCard *card = &family->card;
    char described[32];
    snprintf(described, sizeof described, STANDIN_FORMAT, card->vendor, card->device, card->chip, card->family,
             card->graphics);
    os_set_environment("VK_ICD_FILENAMES", compiler->driver);
    os_set_environment("VK_DRIVER_FILES", compiler->driver);
    os_set_environment("LD_LIBRARY_PATH", compiler->libraries);
    os_set_environment("LD_PRELOAD", compiler->standin);
    os_set_environment("RADV_FORCE_FAMILY", compiler->standin ? NULL : name);
    os_set_environment(STANDIN_VARIABLE, compiler->standin ? described : NULL);
}

void compiler_leave(void)
{
    static const char *const names[] = {"VK_ICD_FILENAMES", "VK_DRIVER_FILES", "LD_LIBRARY_PATH", "LD_PRELOAD",
                                        "RADV_FORCE_FAMILY", STANDIN_VARIABLE};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        os_set_environment(names[i], NULL);
}
