/* SPDX-License-Identifier: BSD-2-Clause */
/* See multiboot_info.h. */
#include "hv/load/multiboot_info.h"

#include <assert.h>

#include "hv/lib/string.h"
#include "hv/load/guest_memory_map.h"
#include "hv/load/modules.h"

/* Multiboot Specification 0.6.96, 3.3 "Boot information format". */
enum {
    INFO_MEMORY = 1u << 0,
    INFO_CMDLINE = 1u << 2,
    INFO_MODULES = 1u << 3,
    INFO_MEMORY_MAP = 1u << 6,
    INFO_LOADER_NAME = 1u << 9,
};

struct multiboot_info {
    uint32_t flags;
    uint32_t mem_lower, mem_upper; /* KiB from 0 and from 1 MiB on */
    uint32_t boot_device;
    uint32_t cmdline;
    uint32_t mods_count, mods_addr;
    uint32_t syms[4];
    uint32_t mmap_length, mmap_addr;
    uint32_t drives_length, drives_addr;
    uint32_t config_table;
    uint32_t boot_loader_name;
    uint32_t apm_table;
    uint32_t video[11]; /* VBE and frame buffer: absent */
};
static_assert(sizeof(struct multiboot_info) == 116, "the structure with its frame buffer fields");

struct multiboot_module {
    uint32_t start, end;
    uint32_t string;
    uint32_t reserved;
};

struct multiboot_map_entry {
    uint32_t size; /* of what follows */
    uint32_t base_low, base_high;
    uint32_t length_low, length_high;
    uint32_t type;
};

#define INFO_PREFERRED 0x9000ull

static const char loader_name[] = "slat";

enum {
    PAGE = 0x1000,
    MODULES_AT = 120,
    MAP_AT = MODULES_AT + CONF_MAX_MODULES * sizeof(struct multiboot_module),
    STRINGS_AT = MAP_AT + GUEST_MAP_MAX * sizeof(struct multiboot_map_entry),
    STRINGS_SIZE = CONF_PATH_SIZE + CONF_CMDLINE_SIZE + CONF_MAX_MODULES * CONF_MODULE_SIZE + sizeof(loader_name),
};
static_assert(sizeof(struct multiboot_info) <= MODULES_AT && MODULES_AT % 8 == 0, "the module list follows");
static_assert(STRINGS_AT + STRINGS_SIZE <= PAGE, "one page holds everything");

static int place_modules(struct loader *loader, uint64_t kernel_end, struct multiboot_module *modules)
{
    uint64_t bases[CONF_MAX_MODULES];
    int error = modules_place(loader, kernel_end, bases);

    if (error)
        return error;
    for (unsigned i = 0; i < loader->request->conf->module_count; i++)
        modules[i] = (struct multiboot_module){ .start = (uint32_t)bases[i],
                                                .end = (uint32_t)(bases[i] + loader->request->modules[i].size) };
    return 0;
}

static const char *file_name(const char *path)
{
    const char *name = path;

    for (; *path != '\0'; path++)
        if (*path == '\\' || *path == '/')
            name = path + 1;
    return name;
}

static uint32_t append_cmdline(struct loader *loader, uint64_t *at)
{
    const char *name = file_name(loader->request->conf->image), *cmdline = loader->request->conf->cmdline;
    uint64_t string = *at;

    loader_append(loader, at, name, strlen(name));
    if (cmdline[0] != '\0')
        loader_append(loader, at, " ", 1);
    loader_append(loader, at, cmdline, strlen(cmdline) + 1);
    return (uint32_t)string;
}

static uint32_t append_string(struct loader *loader, uint64_t *at, const char *text)
{
    return (uint32_t)loader_append(loader, at, text, strlen(text) + 1);
}

static void write_map(struct loader *loader, uint64_t at, struct multiboot_info *info)
{
    struct guest_map_entry map[GUEST_MAP_MAX];
    unsigned count = guest_memory_map(loader->request->memory_size, map);

    info->mmap_addr = (uint32_t)at;
    info->mmap_length = count * (uint32_t)sizeof(struct multiboot_map_entry);
    for (unsigned i = 0; i < count; i++) {
        const struct multiboot_map_entry entry = {
            .size = sizeof(entry) - sizeof(entry.size),
            .base_low = (uint32_t)map[i].base,
            .base_high = (uint32_t)(map[i].base >> 32),
            .length_low = (uint32_t)map[i].size,
            .length_high = (uint32_t)(map[i].size >> 32),
            .type = map[i].type,
        };

        loader_append(loader, &at, &entry, sizeof(entry));
        if (map[i].base == 0)
            info->mem_lower = (uint32_t)(map[i].size / 1024);
        else if (map[i].base == GUEST_HIGH_BASE)
            info->mem_upper = (uint32_t)(map[i].size / 1024);
    }
}

int multiboot_info_place(struct loader *loader, uint64_t kernel_end, uint64_t *info)
{
    const struct guest_conf *conf = loader->request->conf;
    struct multiboot_module modules[CONF_MAX_MODULES];
    struct multiboot_info content = {
        .flags = INFO_MEMORY | INFO_CMDLINE | INFO_MODULES | INFO_MEMORY_MAP | INFO_LOADER_NAME,
        .mods_count = conf->module_count,
    };
    uint64_t page, strings;
    int error = place_modules(loader, kernel_end, modules);

    if (error)
        return error;
    if (!loader_find_up(loader, INFO_PREFERRED, PAGE, PAGE, &page) && !loader_find_up(loader, 0, PAGE, PAGE, &page))
        return loader_fail_no_room(loader, "the Multiboot information", LOADER_NO_NUMBER, PAGE);
    error = loader_claim(loader, page, PAGE, "the Multiboot information", LOADER_NO_NUMBER);
    if (error)
        return error;

    strings = page + STRINGS_AT;
    content.boot_loader_name = append_string(loader, &strings, loader_name);
    content.cmdline = append_cmdline(loader, &strings);
    for (unsigned i = 0; i < conf->module_count; i++)
        modules[i].string = append_string(loader, &strings, conf->modules[i].text);
    content.mods_addr = (uint32_t)page + MODULES_AT;
    loader_write(loader, content.mods_addr, modules, conf->module_count * sizeof(modules[0]));
    write_map(loader, page + MAP_AT, &content);
    loader_write(loader, page, &content, sizeof(content));
    *info = page;
    return 0;
}
