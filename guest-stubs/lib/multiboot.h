/* SPDX-License-Identifier: BSD-2-Clause */
/* What a Multiboot loader hands over: Multiboot Specification 0.6.96, "Boot information format". */
#ifndef GUEST_STUBS_MULTIBOOT_H
#define GUEST_STUBS_MULTIBOOT_H

#include "guest-stubs/lib/stub.h"

enum {
    MULTIBOOT_MAGIC = 0x2badb002,
    MULTIBOOT_MEMORY = 1 << 0,
    MULTIBOOT_COMMAND_LINE = 1 << 2,
    MULTIBOOT_MODULES = 1 << 3,
    MULTIBOOT_MAP = 1 << 6,
    MULTIBOOT_USABLE = 1,
};

struct multiboot_info {
    u32 flags, mem_lower, mem_upper, boot_device, command_line, module_count, modules, symbols[4], map_length, map;
};

struct multiboot_module {
    u32 start, end, text, reserved;
};

struct multiboot_map_entry {
    u32 size; /* of the rest */
    u64 base, length;
    u32 type;
} __attribute__((packed));

extern u32 multiboot_magic;                         /* EAX at the start */
extern const struct multiboot_info *multiboot_info; /* EBX; NULL in a stub that was not started by Multiboot */

#endif
