/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The file is ours, and still everything is checked: a linker script that no longer does what linker.ld promises is then
 * seen here, as a sentence, and not later as a page that is writable and executable. Pure: main.c calls it, and
 * tests/unit/test_load_hypervisor.c.
 */
#include "boot/load_hypervisor.h"

#include <elf.h>
#include <errno.h>

#include "boot/handoff.h"
#include "boot/page.h"
#include "hv/lib/string.h"

#define IMAGE_LIMIT (1ull << 30)

static const char *check_header(const Elf64_Ehdr *header, size_t size)
{
    if (size < sizeof *header || memcmp(header->e_ident, ELFMAG, SELFMAG))
        return "it is not an ELF file";
    if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB ||
        header->e_ident[EI_VERSION] != EV_CURRENT || header->e_machine != EM_X86_64)
        return "it is not a 64-bit x86 ELF file";
    if (header->e_type != ET_EXEC)
        return "it is not linked to a fixed address";
    if (header->e_phentsize != sizeof(Elf64_Phdr))
        return "its program headers have a strange size";
    if (header->e_phoff > size || (size - header->e_phoff) / sizeof(Elf64_Phdr) < header->e_phnum)
        return "its program headers are not within the file";
    return NULL;
}

static const char *check_segment(const Elf64_Phdr *header, size_t size)
{
    if (header->p_offset > size || size - header->p_offset < header->p_filesz)
        return "a segment is not within the file";
    if (header->p_filesz > header->p_memsz)
        return "a segment has more bytes in the file than in memory";
    if (header->p_vaddr % PAGE_BYTES)
        return "a segment does not start on a page border";
    if (header->p_vaddr < IMAGE_BASE || header->p_vaddr - IMAGE_BASE >= IMAGE_LIMIT ||
        IMAGE_LIMIT - (header->p_vaddr - IMAGE_BASE) < header->p_memsz)
        return "a segment is not within the image's address range";
    if ((header->p_flags & PF_W) && (header->p_flags & PF_X))
        return "a segment is both writable and executable";
    if (!(header->p_flags & PF_R))
        return "a segment is not readable";
    return NULL;
}

static uint64_t page_end(const struct hypervisor_segment *segment)
{
    return page_round_up(segment->virtual + segment->memory_size);
}

static const char *add_segment(struct hypervisor_layout *layout, const Elf64_Phdr *header)
{
    struct hypervisor_segment *place = layout->segments + layout->segment_count;

    if (layout->segment_count == HYPERVISOR_MAX_SEGMENTS)
        return "it has too many segments";
    for (; place > layout->segments && place[-1].virtual > header->p_vaddr; place--)
        place[0] = place[-1];
    *place = (struct hypervisor_segment){
        .virtual = header->p_vaddr,
        .memory_size = header->p_memsz,
        .file_offset = header->p_offset,
        .file_size = header->p_filesz,
        .writable = header->p_flags & PF_W,
        .executable = header->p_flags & PF_X,
    };
    layout->segment_count++;
    return NULL;
}

static const char *check_whole(struct hypervisor_layout *layout)
{
    bool entry_found = false;
    uint64_t end = IMAGE_BASE;
    uint32_t i;

    for (i = 0; i < layout->segment_count; i++) {
        const struct hypervisor_segment *segment = &layout->segments[i];

        if (segment->virtual < end)
            return "two segments share a page";
        end = page_end(segment);
        if (segment->executable && layout->entry >= segment->virtual &&
            layout->entry - segment->virtual < segment->memory_size)
            entry_found = true;
    }
    if (!entry_found)
        return "its entry point is not in an executable segment";
    layout->size = end - IMAGE_BASE;
    return NULL;
}

static const char *read_layout(const void *elf, size_t size, struct hypervisor_layout *layout)
{
    const char *wrong;
    Elf64_Ehdr header;
    uint32_t i;

    memcpy(&header, elf, size < sizeof header ? size : sizeof header);
    wrong = check_header(&header, size);
    if (wrong)
        return wrong;
    layout->entry = header.e_entry;
    for (i = 0; i < header.e_phnum; i++) {
        Elf64_Phdr segment;

        memcpy(&segment, (const char *)elf + header.e_phoff + i * sizeof segment, sizeof segment);
        if (segment.p_type == PT_DYNAMIC || segment.p_type == PT_INTERP)
            return "it is dynamically linked";
        if (segment.p_type != PT_LOAD || segment.p_memsz == 0)
            continue;
        wrong = check_segment(&segment, size);
        if (!wrong)
            wrong = add_segment(layout, &segment);
        if (wrong)
            return wrong;
    }
    return check_whole(layout);
}

int hypervisor_check(const void *elf, size_t size, struct hypervisor_layout *layout, const char **reason)
{
    struct hypervisor_layout found = { 0 };
    const char *wrong = read_layout(elf, size, &found);

    if (wrong) {
        *reason = wrong;
        return -EINVAL;
    }
    *layout = found;
    return 0;
}

void hypervisor_load(const void *elf, const struct hypervisor_layout *layout, void *image)
{
    uint32_t i;

    memset(image, 0, layout->size);
    for (i = 0; i < layout->segment_count; i++) {
        const struct hypervisor_segment *segment = &layout->segments[i];

        memcpy((char *)image + (segment->virtual - IMAGE_BASE), (const char *)elf + segment->file_offset,
               segment->file_size);
    }
}
