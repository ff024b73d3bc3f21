/* SPDX-License-Identifier: BSD-2-Clause */
/* What the machine's ACPI tables say about it: read once, and kept. */
#ifndef ARCH_X86_MACHINE_H
#define ARCH_X86_MACHINE_H

#include "arch/x86/madt.h"
#include "boot/handoff.h"

/* On the boot processor, when vmap_device() works. */
void machine_read(u64 rsdp);

/* As of a machine without a MADT before machine_read(). */
const struct madt *machine_madt(void);

#endif
