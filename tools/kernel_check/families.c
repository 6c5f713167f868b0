#include "families.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/os.h"

const CardFamily card_families[] = {
    {"polaris10", VENDOR_AMD, NULL, "RX 480, RX 580"},
    {"vega10", VENDOR_AMD, NULL, "RX Vega 56, Vega 64"},
    {"raven", VENDOR_AMD, NULL, "Ryzen 2000 graphics"},
    {"renoir", VENDOR_AMD, NULL, "Ryzen 4000 and 5000 graphics"},
    {"navi10", VENDOR_AMD, NULL, "RX 5700 XT"},
    {"navi14", VENDOR_AMD, NULL, "RX 5500 XT"},
    {"vangogh", VENDOR_AMD, NULL, "Steam Deck"},
    {"navi21", VENDOR_AMD, NULL, "RX 6800, RX 6900 XT"},
    {"navi22", VENDOR_AMD, NULL, "RX 6700 XT"},
    {"navi23", VENDOR_AMD, NULL, "RX 6600 XT"},
    {"navi24", VENDOR_AMD, NULL, "RX 6500 XT"},
    {"navi31", VENDOR_AMD, "gfx1100", "RX 7900 XTX"},
    {"navi32", VENDOR_AMD, "gfx1101", "RX 7800 XT"},
    {"navi33", VENDOR_AMD, "gfx1102", "RX 7600"},
    {"phoenix", VENDOR_AMD, "gfx1103_r1", "Ryzen 7040 graphics"},
    {"gfx1150", VENDOR_AMD, NULL, "Ryzen AI 300 graphics"},
    {"gfx1201", VENDOR_AMD, NULL, "RX 9070 XT"},
    {"skl", VENDOR_INTEL, NULL, "HD Graphics 530"},
    {"icl", VENDOR_INTEL, NULL, "Iris Plus, 10th generation"},
    {"tgl", VENDOR_INTEL, NULL, "Iris Xe, 11th generation"},
    {"adl", VENDOR_INTEL, NULL, "UHD 770, 12th generation"},
    {"rpl", VENDOR_INTEL, NULL, "UHD 770, 13th generation"},
    {"dg2", VENDOR_INTEL, NULL, "Arc A750, A770"},
    {"mtl", VENDOR_INTEL, NULL, "Core Ultra 100 graphics"},
    {"arl", VENDOR_INTEL, NULL, "Core Ultra 200 graphics"},
    {"lnl", VENDOR_INTEL, NULL, "Core Ultra 200V graphics"},
    {"bmg", VENDOR_INTEL, NULL, "Arc B570, B580"},
};
const size_t card_family_count = COUNT_OF(card_families);

static const char *const vendor_names[VENDOR_COUNT] = {[VENDOR_AMD] = "amd", [VENDOR_INTEL] = "intel"};

tmb_status families_chosen(const char *list, bool *chosen)
{
    while (*list) {
        size_t length = strcspn(list, ",");
        bool known = false;
        for (size_t i = 0; i < card_family_count; i++) {
            const char *const names[] = {card_families[i].name, card_families[i].alias,
                                         vendor_names[card_families[i].vendor], "all"};
            for (size_t n = 0; n < COUNT_OF(names); n++)
                if (names[n] && strlen(names[n]) == length && !strncmp(names[n], list, length))
                    known = chosen[i] = true;
        }
        if (!known)
            return fail(TMB_USAGE, "--compile-for %.*s: it takes amd, intel, all, or families such "
                                   "as navi31,dg2", (int)length, list);
        list += length + (list[length] == ',');
    }
    return TMB_OK;
}

/* The first that exists of the places where distributions put AMD's driver. */
static void find_system_driver(Compiler *compiler)
{
    static const char *const places[] = {
        "/usr/share/vulkan/icd.d/radeon_icd.x86_64.json", "/usr/share/vulkan/icd.d/radeon_icd.json",
        "/usr/share/vulkan/icd.d/radeon_icd.aarch64.json", "/etc/vulkan/icd.d/radeon_icd.x86_64.json"};
    for (size_t i = 0; i < COUNT_OF(places) && !compiler->driver; i++)
        if (os_exists(places[i]))
            compiler->driver = mem_string(places[i]);
}

static char *setting(const JsonAt *at, const char *key)
{
    const char *text;
    if (json_string_or(at, key, NULL, &text) != TMB_OK || !text)
        return NULL;
    return mem_string(text);
}

static void find_cached_drivers(const char *cache, Compiler out[VENDOR_COUNT])
{
    cJSON *tree = NULL;
    char *path = os_join(cache, "compilers/compilers.json");
    if (os_exists(path) && json_read_file(path, &tree) == TMB_OK) {
        JsonAt at = json_at(path, tree), one;
        for (size_t v = 0; v < VENDOR_COUNT; v++)
            if (json_has(&at, vendor_names[v]) && json_object(&at, vendor_names[v], &one) == TMB_OK)
                out[v] = (Compiler){setting(&one, "driver"), setting(&one, "libraries"),
                                    setting(&one, "preload"), NULL};
    }
    cJSON_Delete(tree);
    free(path);
}

void compilers_find(Compiler out[VENDOR_COUNT])
{
    const char *choice = getenv("TIMBRE_COMPILERS");   /* "system": not the ones in the cache */
    char *cache = choice && !strcmp(choice, "system") ? NULL : os_cache_directory();
    for (size_t v = 0; v < VENDOR_COUNT; v++)
        out[v] = (Compiler){0};
    if (cache)
        find_cached_drivers(cache, out);
    if (!out[VENDOR_AMD].driver)
        find_system_driver(&out[VENDOR_AMD]);
    for (size_t v = 0; v < VENDOR_COUNT; v++)
        out[v].missing = out[v].driver ? NULL : "no driver here; tools/compilers-setup fetches it";
    free(cache);
}

void compilers_free(Compiler compilers[VENDOR_COUNT])
{
    for (size_t v = 0; v < VENDOR_COUNT; v++) {
        free(compilers[v].driver);
        free(compilers[v].libraries);
        free(compilers[v].preload);
        compilers[v] = (Compiler){0};
    }
}

void compiler_enter(const Compiler *compiler, Vendor vendor, const char *name)
{
    os_set_environment("VK_ICD_FILENAMES", compiler->driver);
    os_set_environment("VK_DRIVER_FILES", compiler->driver);
    os_set_environment("LD_LIBRARY_PATH", compiler->libraries);
    os_set_environment("LD_PRELOAD", compiler->preload);
    os_set_environment("RADV_FORCE_FAMILY", vendor == VENDOR_AMD ? name : NULL);
    os_set_environment("INTEL_STUB_GPU_PLATFORM", vendor == VENDOR_INTEL ? name : NULL);
}

void compiler_leave(void)
{
    static const char *const names[] = {"VK_ICD_FILENAMES", "VK_DRIVER_FILES", "LD_LIBRARY_PATH",
                                        "LD_PRELOAD", "RADV_FORCE_FAMILY", "INTEL_STUB_GPU_PLATFORM"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        os_set_environment(names[i], NULL);
}
