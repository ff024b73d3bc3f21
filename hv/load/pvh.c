/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PVH: an ELF file whose note XEN_ELFNOTE_PHYS32_ENTRY is the physical address where it starts (Xen, docs/misc/pvh.pandoc and
 * xen/include/public/arch-x86/hvm/start_info.h). Linux (CONFIG_PVH), FreeBSD and Xen itself can be started so.
 *
 * The kernel starts in flat protected mode with EBX = the start info, without a stack and a GDT. The start info and all it
 * points to but the modules are in one page below 0x90000. The first module is Linux's initrd.
 */
#include <assert.h>

#include "hv/lib/string.h"
#include "hv/load/acpi_tables.h"
#include "hv/load/elf.h"
#include "hv/load/formats.h"
#include "hv/load/guest_memory_map.h"
#include "hv/load/long_mode.h"
#include "hv/load/modules.h"

#define NOTE_OWNER "Xen"

enum {
    NOTE_PHYS32_ENTRY = 18,
    START_MAGIC = 0x336ec578,
    START_VERSION = 1, /* the one with a memory map */
    KERNEL_CS = 0x08,
    KERNEL_DS = 0x10,
};

struct start_info {
    uint32_t magic, version;
    uint32_t flags;
    uint32_t module_count;
    uint64_t modules;
    uint64_t cmdline;
    uint64_t rsdp; /* 0: none */
    uint64_t memory_map;
    uint32_t memory_map_count;
    uint32_t reserved;
};
static_assert(sizeof(struct start_info) == 56, "hvm_start_info, version 1");

struct start_module {
    uint64_t base, size;
    uint64_t cmdline;
    uint64_t reserved;
};
static_assert(sizeof(struct start_module) == 32, "hvm_modlist_entry");

struct start_map_entry {
    uint64_t base, size;
    uint32_t type; /* as in e820 */
    uint32_t reserved;
};
static_assert(sizeof(struct start_map_entry) == 24, "hvm_memmap_table_entry");

enum {
    PAGE = 0x1000,
    INFO_SIZE = sizeof(struct start_info) + CONF_MAX_MODULES * sizeof(struct start_module) +
                GUEST_MAP_MAX * sizeof(struct start_map_entry) + CONF_CMDLINE_SIZE +
                CONF_MAX_MODULES * CONF_MODULE_SIZE,
};
static_assert(INFO_SIZE <= PAGE, "one page holds everything");

int pvh_find(struct loader *loader, bool *found)
{
    struct elf_note note;
    int error = elf_find_note(loader, NOTE_OWNER, NOTE_PHYS32_ENTRY, &note);

    if (!error)
        *found = note.found;
    return error;
}

/* 0, or -EINVAL with result->error. */
static int load_kernel(struct loader *loader, uint64_t *entry, uint64_t *end)
{
    struct elf_loaded loaded;
    struct elf_note note;
    int error;

    if (!elf_found(&loader->request->image))
        return loader_fail(loader, "not an ELF file, as PVH needs it");
    error = elf_find_note(loader, NOTE_OWNER, NOTE_PHYS32_ENTRY, &note);
    if (error)
        return error;
    if (!note.found)
        return loader_fail(loader, "the ELF file has no PVH note (owner " NOTE_OWNER ", type %d)", NOTE_PHYS32_ENTRY);
    error = elf_load(loader, &loaded);
    if (error)
        return error;
    if (note.number > UINT32_MAX || !loader_is_claimed(loader, note.number, 1))
        return loader_fail(loader, "the PVH entry %#lx lies in none of the segments below 4 GiB", note.number);
    *entry = note.number;
    *end = loaded.end;
    return 0;
}

static uint64_t append_string(struct loader *loader, uint64_t *at, const char *text)
{
    return loader_append(loader, at, text, strlen(text) + 1);
}

/* The structures come first, because they are to be aligned, and then the strings that they point to. */
static void write_info(struct loader *loader, uint64_t page, const uint64_t *module_bases, uint64_t rsdp)
{
    const struct guest_conf *conf = loader->request->conf;
    struct guest_map_entry map[GUEST_MAP_MAX];
    unsigned map_count = guest_memory_map(loader->request->memory_size, map);
    uint64_t modules = page + sizeof(struct start_info);
    uint64_t memory_map = modules + conf->module_count * sizeof(struct start_module);
    uint64_t strings = memory_map + map_count * sizeof(struct start_map_entry);
    const struct start_info info = {
        .magic = START_MAGIC,
        .version = START_VERSION,
        .module_count = conf->module_count,
        .modules = conf->module_count ? modules : 0,
        .cmdline = append_string(loader, &strings, conf->cmdline),
        .rsdp = rsdp,
        .memory_map = memory_map,
        .memory_map_count = map_count,
    };

    loader_write(loader, page, &info, sizeof(info));
    for (unsigned i = 0; i < conf->module_count; i++) {
        const struct start_module module = {
            .base = module_bases[i],
            .size = loader->request->modules[i].size,
            .cmdline = append_string(loader, &strings, conf->modules[i].text),
        };

        loader_append(loader, &modules, &module, sizeof(module));
    }
    for (unsigned i = 0; i < map_count; i++) {
        const struct start_map_entry entry = { map[i].base, map[i].size, map[i].type, 0 };

        loader_append(loader, &memory_map, &entry, sizeof(entry));
    }
}

int pvh_load(struct loader *loader)
{
    uint64_t entry, end, page, module_bases[CONF_MAX_MODULES];
    int error = load_kernel(loader, &entry, &end);

    if (!error)
        error = modules_place(loader, end, module_bases);
    if (!error)
        error = boot_structure_place(loader, PAGE, PAGE, "the PVH start info", &page);
    if (error)
        return error;
    write_info(loader, page, module_bases, acpi_tables_place(loader));

    loader->result->start = (struct guest_start){
        .mode = START_FLAT32,
        .cs = KERNEL_CS,
        .ds = KERNEL_DS,
        .rip = entry,
        .rbx = page,
    };
    return 0;
}
