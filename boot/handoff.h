/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The contract between the boot application and the hypervisor: the only header, with guest_conf.h, that both sides share.
 *
 * At the jump to the hypervisor's ELF entry point:
 *   - boot services have ended; interrupts are off; the processor is in 64-bit mode; RDI holds the address of
 *     struct boot_info in the direct map; no stack is promised;
 *   - CR3 holds tables of four levels that map the hypervisor's image by its program headers (no page both writable and
 *     executable), all of the machine's RAM in the direct map (writable, not executable, without the image's own frames),
 *     and the one page that executed the switch (at its physical address; the hypervisor unmaps it);
 *   - CR0.WP, CR4.PAE and EFER.NXE are set.
 */
#ifndef BOOT_HANDOFF_H
#define BOOT_HANDOFF_H

#include <stdint.h>

#include "boot/guest_conf.h"

#define BOOT_INFO_MAGIC   0x746f6f6274616c73ull /* "slatboot" */
#define BOOT_INFO_VERSION 1u

/* Where things are in the hypervisor's address space. */
#define DIRECT_MAP_BASE 0xffff800000000000ull /* physical address 0; up to 64 TiB */
#define DIRECT_MAP_SIZE 0x0000400000000000ull
#define VMAP_BASE       0xffffff0000000000ull /* stacks with guard pages, device registers: arch/x86/paging.c */
#define VMAP_SIZE       0x0000004000000000ull
#define IMAGE_BASE      0xffffffff80000000ull /* the hypervisor's image: linker.ld */

enum memory_type {
    MEMORY_FREE,       /* RAM that nobody uses after the handoff */
    MEMORY_HYPERVISOR, /* the image and its page tables: never freed */
    MEMORY_BOOT_DATA,  /* boot_info, the configuration and the files: free once the guests are loaded */
    MEMORY_ACPI,       /* ACPI tables (reclaimable or NVS) */
    MEMORY_FIRMWARE,   /* UEFI runtime services' code and data */
    MEMORY_MMIO,
    MEMORY_RESERVED,
};

struct memory_range {
    uint64_t base;      /* physical address, a multiple of 4 KiB */
    uint64_t size;      /* bytes, a multiple of 4 KiB */
    uint32_t type;      /* enum memory_type */
    uint32_t uefi_type; /* EFI_MEMORY_TYPE it came from, for reports */
};

enum boot_file_state {
    BOOT_FILE_READ,
    BOOT_FILE_MISSING,
    BOOT_FILE_EMPTY,
    BOOT_FILE_NO_MEMORY,
    BOOT_FILE_ERROR, /* the firmware could not read it: efi_status says why */
};

struct boot_file {
    char path[CONF_PATH_SIZE]; /* as in struct guest_conf; each file is read once, also when several guests name it */
    uint64_t base;             /* physical address of the content, a multiple of 4 KiB */
    uint64_t size;             /* bytes */
    uint64_t efi_status;
    uint32_t state; /* enum boot_file_state */
    uint32_t reserved;
};

enum framebuffer_format { FRAMEBUFFER_NONE, FRAMEBUFFER_RGBX, FRAMEBUFFER_BGRX };

struct framebuffer {
    uint64_t base;          /* physical address */
    uint64_t size;          /* bytes */
    uint32_t width, height; /* pixels */
    uint32_t pitch;         /* bytes from one line to the next */
    uint32_t format;        /* enum framebuffer_format */
};

struct boot_info {
    uint64_t magic;   /* BOOT_INFO_MAGIC */
    uint32_t version; /* BOOT_INFO_VERSION; the hypervisor refuses another one */
    uint32_t size;    /* sizeof(struct boot_info) */

    /* Physical addresses of arrays and structures; all lie in MEMORY_BOOT_DATA. */
    uint64_t memory_ranges; /* struct memory_range[], sorted by base, without overlap */
    uint32_t memory_range_count;
    uint32_t file_count;
    uint64_t files; /* struct boot_file[] */
    uint64_t conf;  /* struct slat_conf */

    uint64_t image_base;  /* physical address of the hypervisor's image, contiguous */
    uint64_t image_size;  /* bytes */
    uint64_t switch_page; /* physical (= virtual) address of the page that executed the switch */

    uint64_t rsdp;   /* physical address of the ACPI root pointer; 0: none */
    uint64_t smbios; /* 0: none */
    struct framebuffer framebuffer;

    /* For calling UEFI runtime services (power-off): tables with an identity map of all the firmware uses. */
    uint64_t firmware_cr3;
    uint64_t runtime_services; /* physical address of EFI_RUNTIME_SERVICES */

    uint64_t tsc_hz;       /* measured against the firmware's Stall() */
    uint64_t tsc_at_entry; /* when the firmware entered the boot application */
    uint64_t unix_time;    /* seconds since 1970 at tsc_at_entry, from the firmware; 0: it did not say */
};

#endif
