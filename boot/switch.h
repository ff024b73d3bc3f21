/* SPDX-License-Identifier: BSD-2-Clause */
/* The last instructions of the boot application: boot/switch.nasm. */
#ifndef BOOT_SWITCH_H
#define BOOT_SWITCH_H

#include <stdint.h>

/* The page that holds switch_to_hypervisor(), and nothing else. */
extern const char switch_page[4096];

/* Loads the hypervisor's page tables at `root` and jumps to `entry` with the address `boot_info` in RDI. Interrupts are off. */
_Noreturn void switch_to_hypervisor(uint64_t root, uint64_t entry, uint64_t boot_info);

#endif
