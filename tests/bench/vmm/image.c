/* SPDX-License-Identifier: BSD-2-Clause */
/* See vmm.h: loads a Multiboot kernel that is an ELF32 file, as our stubs are. */
#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/bench/vmm/vmm.h"

u32 image_load(void)
{
    int file = open("/bench.elf", O_RDONLY);
    struct stat status;

    expect(file >= 0 && fstat(file, &status) == 0, "open /bench.elf");
    const u8 *image = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, file, 0);
    expect(image != MAP_FAILED, "map /bench.elf");
    close(file);

    const Elf32_Ehdr *header = (const Elf32_Ehdr *)image;
    expect(memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 && header->e_ident[EI_CLASS] == ELFCLASS32, "an ELF32 file");
    const Elf32_Phdr *segments = (const Elf32_Phdr *)(image + header->e_phoff);
    for (unsigned i = 0; i < header->e_phnum; i++) {
        const Elf32_Phdr *segment = &segments[i];
        if (segment->p_type != PT_LOAD)
            continue;
        expect((u64)segment->p_paddr + segment->p_memsz <= BENCH_MAIL, "the guest lies below its mail");
        /* What the file does not have is zero already. */
        memcpy(vm_memory + segment->p_paddr, image + segment->p_offset, segment->p_filesz);
    }
    return header->e_entry;
}
