/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Segments and notes of an ELF executable: ELF32 or ELF64, little endian, x86, ET_EXEC. Segments are loaded at their
 * physical addresses.
 *
 * The entry point of the file is a virtual address. It becomes a physical one through the first PT_LOAD segment whose
 * virtual range holds it, as GRUB and QEMU do (physical and virtual addresses differ in kernels of the higher half). If
 * none does but a segment's physical range holds it, it is taken as physical: so QEMU and GRUB Legacy, and kernels linked
 * with a physical entry rely on it; GRUB 2 refuses them. Anything else is no entry.
 */
#ifndef HV_LOAD_ELF_H
#define HV_LOAD_ELF_H

#include "hv/load/loader.h"

/* Guest-physical addresses. */
struct elf_loaded {
    bool has_entry;
    uint64_t entry; /* without has_entry as the file has it */
    uint64_t end;   /* of the segment that reaches highest */
};

/* A note whose description is a number of 4 or 8 bytes. */
struct elf_note {
    bool found;
    uint64_t number;
};

bool elf_found(const struct image *image);

/* Claims and writes the segments, which are named in messages by their index in the program header table (readelf -l). */
int elf_load(struct loader *loader, struct elf_loaded *loaded);

/* The first such note of the file; a file without it is no error. Only the beginning of each segment of notes is searched. */
int elf_find_note(struct loader *loader, const char *owner, uint32_t type, struct elf_note *note);

#endif
