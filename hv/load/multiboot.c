/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Multiboot 1 kernels (Multiboot Specification 0.6.96): the header, and the kernel itself, which is an ELF file or, with
 * the address fields of the header (the "a.out kludge", which precedes ELF), a flat piece of the file.
 *
 * The kernel starts in flat protected mode with EAX = the magic and EBX = the information structure (multiboot_info.h).
 * As the specification has it, there is no stack and no GDT: CS and DS are valid until the kernel loads its own.
 */
#include <assert.h>

#include "hv/lib/string.h"
#include "hv/load/acpi_tables.h"
#include "hv/load/elf.h"
#include "hv/load/formats.h"
#include "hv/load/multiboot_info.h"

#define HEADER_MAGIC 0x1badb002u
#define START_MAGIC  0x2badb002u

enum {
    HEADER_SEARCH = 8192,  /* the header lies wholly in that much of the file, on a 4-byte boundary */
    HEADER_BASE_SIZE = 12, /* magic, flags, checksum; the address fields only with FLAG_ADDRESSES */
    KERNEL_CS = 0x08,
    KERNEL_DS = 0x10,
};

enum {
    FLAG_ALIGN_MODULES = 1u << 0, /* all are page-aligned anyway */
    FLAG_MEMORY_INFO = 1u << 1,   /* is always given */
    FLAG_VIDEO = 1u << 2,         /* a wish; the frame buffer fields say that there is no screen */
    FLAGS_KNOWN = FLAG_ALIGN_MODULES | FLAG_MEMORY_INFO | FLAG_VIDEO,
    FLAGS_REQUIRED = 0xffffu, /* a loader that does not know one of these must refuse */
    FLAG_ADDRESSES = 1u << 16,
};

struct multiboot_header {
    uint32_t magic, flags, checksum;
    uint32_t header_addr, load_addr, load_end_addr, bss_end_addr, entry_addr;
};
static_assert(sizeof(struct multiboot_header) == 32, "the header up to the address fields");

struct kernel {
    uint64_t entry, end;
};

/* Finds the header; fields beyond the end of the file are 0. */
static bool find_header(const struct image *image, struct multiboot_header *header, uint64_t *offset)
{
    uint64_t searched = image->size < HEADER_SEARCH ? image->size : HEADER_SEARCH;

    for (uint64_t at = 0; at + HEADER_BASE_SIZE <= searched; at += 4) {
        uint64_t rest = image->size - at;

        memset(header, 0, sizeof(*header));
        memcpy(header, image->data + at, HEADER_BASE_SIZE);
        if (header->magic != HEADER_MAGIC || header->magic + header->flags + header->checksum != 0)
            continue;
        memcpy(header, image->data + at, rest < sizeof(*header) ? rest : sizeof(*header));
        *offset = at;
        return true;
    }
    return false;
}

bool multiboot_found(const struct image *image)
{
    struct multiboot_header header;
    uint64_t offset;

    return find_header(image, &header, &offset);
}

/* Loads by the address fields of the header, which lies at `offset` in the file. */
static int load_by_addresses(struct loader *loader, const struct multiboot_header *header, uint64_t offset,
                             struct kernel *kernel)
{
    const struct image *image = &loader->request->image;
    uint64_t load = header->load_addr, load_end = header->load_end_addr, end, first;
    int error;

    if (offset + sizeof(*header) > image->size || offset + sizeof(*header) > HEADER_SEARCH)
        return loader_fail(loader, "the Multiboot header at offset %#lx ends before its address fields", offset);
    if (load > header->header_addr || header->header_addr - load > offset)
        return loader_fail(loader, "Multiboot load_addr %#lx does not fit header_addr %#x at offset %#lx of the file",
                           load, header->header_addr, offset);
    first = offset - (header->header_addr - load);
    if (load_end == 0)
        load_end = load + (image->size - first);
    if (load_end <= load || load_end - load > image->size - first)
        return loader_fail(loader, "Multiboot load_end_addr %#lx: the file has bytes for %#lx..%#lx", load_end, load,
                           load + (image->size - first));
    end = header->bss_end_addr == 0 ? load_end : header->bss_end_addr;
    if (end < load_end)
        return loader_fail(loader, "Multiboot bss_end_addr %#lx lies below the end of the data, %#lx", end, load_end);
    if (header->entry_addr < load || header->entry_addr >= end)
        return loader_fail(loader, "entry %#x lies outside the kernel, which is at %#lx..%#lx", header->entry_addr,
                           load, end);
    error = loader_claim(loader, load, end - load, "the kernel", LOADER_NO_NUMBER);
    if (error)
        return error;
    loader_write(loader, load, image->data + first, load_end - load);
    *kernel = (struct kernel){ header->entry_addr, end };
    return 0;
}

static int load_elf(struct loader *loader, struct kernel *kernel)
{
    struct elf_loaded loaded;
    int error;

    if (!elf_found(&loader->request->image))
        return loader_fail(loader, "neither an ELF file nor address fields (flag 16) in the Multiboot header");
    error = elf_load(loader, &loaded);
    if (error)
        return error;
    if (!loaded.has_entry)
        return loader_fail(loader, "entry %#lx lies in none of the segments", loaded.entry);
    if (loaded.entry > UINT32_MAX)
        return loader_fail(loader, "entry %#lx lies above 4 GiB, but Multiboot starts in 32-bit mode", loaded.entry);
    *kernel = (struct kernel){ loaded.entry, loaded.end };
    return 0;
}

int multiboot_load(struct loader *loader)
{
    struct multiboot_header header;
    struct kernel kernel;
    uint64_t offset, info;
    int error;

    if (!find_header(&loader->request->image, &header, &offset))
        return loader_fail(loader, "no Multiboot header in the first %d bytes", HEADER_SEARCH);
    if (header.flags & FLAGS_REQUIRED & ~FLAGS_KNOWN)
        return loader_fail(loader, "the Multiboot header requires features that slat does not have (flags %#x)",
                           header.flags & FLAGS_REQUIRED & ~FLAGS_KNOWN);
    error =
        header.flags & FLAG_ADDRESSES ? load_by_addresses(loader, &header, offset, &kernel) : load_elf(loader, &kernel);
    if (error)
        return error;
    error = multiboot_info_place(loader, kernel.end, &info);
    if (error)
        return error;
    acpi_tables_place(loader);

    loader->result->start = (struct guest_start){
        .mode = START_FLAT32,
        .cs = KERNEL_CS,
        .ds = KERNEL_DS,
        .rip = kernel.entry,
        .rax = START_MAGIC,
        .rbx = info,
    };
    return 0;
}
