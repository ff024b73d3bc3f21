/* SPDX-License-Identifier: BSD-2-Clause */
/* See elf.h. */
#include "hv/load/elf.h"

#include <assert.h>
#include <stddef.h>

#include "hv/lib/string.h"

/* System V ABI, "ELF Header" and "Program Header". Images are not aligned: these are filled by memcpy. */
struct elf32_header {
    uint8_t ident[16];
    uint16_t type, machine;
    uint32_t version, entry, phoff, shoff, flags;
    uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct elf64_header {
    uint8_t ident[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, phoff, shoff;
    uint32_t flags;
    uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct elf32_program_header {
    uint32_t type, offset, vaddr, paddr, filesz, memsz, flags, align;
};

struct elf64_program_header {
    uint32_t type, flags;
    uint64_t offset, vaddr, paddr, filesz, memsz, align;
};

struct elf_note_header {
    uint32_t owner_size, size, type; /* the owner's name with its zero */
};

static_assert(sizeof(struct elf32_header) == 52 && sizeof(struct elf64_header) == 64, "ELF header");
static_assert(sizeof(struct elf32_program_header) == 32 && sizeof(struct elf64_program_header) == 56, "program header");

enum { IDENT_CLASS = 4, IDENT_DATA = 5 };
enum { CLASS_32 = 1, CLASS_64 = 2, DATA_LITTLE_ENDIAN = 1 };
enum { TYPE_EXEC = 2, TYPE_DYN = 3, MACHINE_386 = 3, MACHINE_X86_64 = 62, PT_LOAD = 1, PT_NOTE = 4 };
/* Of notes that are searched: a file could make the search as long as it likes. */
enum { MAX_NOTE_SEGMENTS = 32, MAX_NOTES_SIZE = 0x10000 };

/* What both classes say. */
struct elf {
    bool is_64;
    uint64_t entry, phoff;
    unsigned type, machine, phentsize, phnum;
};

struct segment {
    unsigned index;
    uint32_t type;
    uint64_t offset, vaddr, paddr, filesz, memsz, align;
};

bool elf_found(const struct image *image)
{
    return image->size >= 4 && memcmp(image->data, "\177ELF", 4) == 0;
}

static int read_header(struct loader *loader, struct elf *elf)
{
    const struct image *image = &loader->request->image;
    struct elf32_header h32;
    struct elf64_header h64;

    if (image->size < sizeof(h32) || (image->data[IDENT_CLASS] == CLASS_64 && image->size < sizeof(h64)))
        return loader_fail(loader, "truncated: %lu bytes do not hold an ELF header", image->size);
    if (image->data[IDENT_DATA] != DATA_LITTLE_ENDIAN)
        return loader_fail(loader, "the ELF file is not little-endian");

    switch (image->data[IDENT_CLASS]) {
    case CLASS_32:
        memcpy(&h32, image->data, sizeof(h32));
        *elf = (struct elf){ false, h32.entry, h32.phoff, h32.type, h32.machine, h32.phentsize, h32.phnum };
        return 0;
    case CLASS_64:
        memcpy(&h64, image->data, sizeof(h64));
        *elf = (struct elf){ true, h64.entry, h64.phoff, h64.type, h64.machine, h64.phentsize, h64.phnum };
        return 0;
    default:
        return loader_fail(loader, "the ELF file is of class %u, neither 32 nor 64 bits", image->data[IDENT_CLASS]);
    }
}

static int check_header(struct loader *loader, const struct elf *elf)
{
    uint64_t size = loader->request->image.size;
    unsigned least = elf->is_64 ? sizeof(struct elf64_program_header) : sizeof(struct elf32_program_header);

    if (elf->machine != MACHINE_386 && elf->machine != MACHINE_X86_64)
        return loader_fail(loader, "the ELF file is for machine %u, not for x86", elf->machine);
    if (elf->type == TYPE_DYN)
        return loader_fail(loader, "the ELF file is position-independent (ET_DYN), not linked to fixed addresses");
    if (elf->type != TYPE_EXEC)
        return loader_fail(loader, "the ELF file is of type %u, not an executable", elf->type);
    if (elf->phentsize < least)
        return loader_fail(loader, "the ELF file's program headers have %u bytes, less than %u", elf->phentsize, least);
    if (elf->phoff > size || (uint64_t)elf->phnum * elf->phentsize > size - elf->phoff)
        return loader_fail(loader, "truncated: %u program headers at %#lx go beyond the file's %#lx bytes", elf->phnum,
                           elf->phoff, size);
    return 0;
}

/* `index` < phnum of a header that check_header() accepted. */
static struct segment read_segment(const struct image *image, const struct elf *elf, unsigned index)
{
    const uint8_t *from = image->data + elf->phoff + (uint64_t)index * elf->phentsize;
    struct elf32_program_header p32;
    struct elf64_program_header p64;

    if (elf->is_64) {
        memcpy(&p64, from, sizeof(p64));
        return (struct segment){ index, p64.type, p64.offset, p64.vaddr, p64.paddr, p64.filesz, p64.memsz, p64.align };
    }
    memcpy(&p32, from, sizeof(p32));
    return (struct segment){ index, p32.type, p32.offset, p32.vaddr, p32.paddr, p32.filesz, p32.memsz, p32.align };
}

static int check_in_file(struct loader *loader, const struct segment *segment)
{
    uint64_t size = loader->request->image.size;

    if (segment->offset > size || segment->filesz > size - segment->offset)
        return loader_fail(loader, "truncated: segment %u has %#lx bytes at offset %#lx of a file of %#lx",
                           segment->index, segment->filesz, segment->offset, size);
    return 0;
}

static int load_segment(struct loader *loader, const struct segment *segment)
{
    const struct image *image = &loader->request->image;
    int error;

    if (segment->filesz > segment->memsz)
        return loader_fail(loader, "segment %u has %#lx bytes in the file but only %#lx in memory", segment->index,
                           segment->filesz, segment->memsz);
    error = check_in_file(loader, segment);
    if (error)
        return error;
    error = loader_claim(loader, segment->paddr, segment->memsz, "segment", (int)segment->index);
    if (error)
        return error;
    /* What lies beyond filesz is zero already: so is all of a new guest's memory. */
    loader_write(loader, segment->paddr, image->data + segment->offset, segment->filesz);
    return 0;
}

static bool holds(uint64_t base, uint64_t size, uint64_t address)
{
    return address >= base && address - base < size;
}

/* Where the entry point is physically; see elf.h. */
struct entry {
    bool by_virtual, by_physical;
    uint64_t address;
};

static void entry_look_in(struct entry *entry, const struct elf *elf, const struct segment *segment)
{
    if (entry->by_virtual)
        return;
    if (holds(segment->vaddr, segment->memsz, elf->entry)) {
        entry->by_virtual = true;
        entry->address = elf->entry - segment->vaddr + segment->paddr;
    } else if (holds(segment->paddr, segment->memsz, elf->entry)) {
        entry->by_physical = true;
        entry->address = elf->entry;
    }
}

static int decode_header(struct loader *loader, struct elf *elf)
{
    int error = read_header(loader, elf);

    return error ? error : check_header(loader, elf);
}

int elf_load(struct loader *loader, struct elf_loaded *loaded)
{
    struct elf elf;
    struct entry entry = { 0 };
    unsigned count = 0;
    uint64_t end = 0;
    int error = decode_header(loader, &elf);

    if (error)
        return error;

    for (unsigned i = 0; i < elf.phnum; i++) {
        struct segment segment = read_segment(&loader->request->image, &elf, i);

        if (segment.type != PT_LOAD || segment.memsz == 0)
            continue;
        if (++count > LOADER_MAX_SEGMENTS)
            return loader_fail(loader, "the ELF file has more than %d segments to load", LOADER_MAX_SEGMENTS);
        error = load_segment(loader, &segment);
        if (error)
            return error;
        entry_look_in(&entry, &elf, &segment);
        if (segment.paddr + segment.memsz > end)
            end = segment.paddr + segment.memsz;
    }
    if (count == 0)
        return loader_fail(loader, "the ELF file has no segment to load");

    loaded->has_entry = entry.by_virtual || entry.by_physical;
    loaded->entry = loaded->has_entry ? entry.address : elf.entry;
    loaded->end = end;
    return 0;
}

static uint64_t align_up(uint64_t offset, uint64_t align)
{
    return (offset + align - 1) & -align;
}

/* Notes that end behind the segment, and descriptions of another size, are none. */
static void search_notes(const uint8_t *notes, uint64_t size, uint64_t align, const char *owner, uint32_t type,
                         struct elf_note *note)
{
    struct elf_note_header header;

    while (size >= sizeof(header)) {
        uint64_t content, end;

        memcpy(&header, notes, sizeof(header));
        content = align_up(sizeof(header) + (uint64_t)header.owner_size, align);
        end = content + header.size;
        if (end > size)
            return;
        if (header.type == type && header.owner_size == strlen(owner) + 1 &&
            memcmp(notes + sizeof(header), owner, header.owner_size) == 0 && (header.size == 4 || header.size == 8)) {
            note->found = true;
            memcpy(&note->number, notes + content, header.size);
            return;
        }
        end = align_up(end, align);
        if (end > size)
            return;
        notes += end;
        size -= end;
    }
}

int elf_find_note(struct loader *loader, const char *owner, uint32_t type, struct elf_note *note)
{
    const struct image *image = &loader->request->image;
    unsigned count = 0;
    struct elf elf;
    int error = decode_header(loader, &elf);

    if (error)
        return error;
    *note = (struct elf_note){ 0 };
    for (unsigned i = 0; i < elf.phnum && count < MAX_NOTE_SEGMENTS && !note->found; i++) {
        struct segment segment = read_segment(image, &elf, i);
        uint64_t size = segment.filesz < MAX_NOTES_SIZE ? segment.filesz : MAX_NOTES_SIZE;

        if (segment.type != PT_NOTE)
            continue;
        count++;
        error = check_in_file(loader, &segment);
        if (error)
            return error;
        /* Only 8 is meant: other alignments are written where 4 is used. */
        search_notes(image->data + segment.offset, size, segment.align == 8 ? 8 : 4, owner, type, note);
    }
    return 0;
}
