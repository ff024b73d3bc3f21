/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ends the machine's run by the firmware's runtime service ResetSystem (UEFI specification, 8.5.1). The firmware runs on
 * the tables that the boot application kept for it (boot_info.firmware_cr3), on the caller's stack, with slat's GDT and
 * IDT. Whatever guests do at that moment on other processors ends with it.
 */
#ifndef ARCH_X86_FIRMWARE_H
#define ARCH_X86_FIRMWARE_H

#include "boot/handoff.h"

enum firmware_reset_kind { FIRMWARE_RESET_COLD, FIRMWARE_RESET_WARM, FIRMWARE_POWER_OFF }; /* EFI_RESET_TYPE */

/* After paging_init(). Before it, firmware_reset() only halts. */
void firmware_init(const struct boot_info *info);

/* If the firmware does not do it, the machine halts after a line that says that it may be switched off. */
_Noreturn void firmware_reset(enum firmware_reset_kind kind);
_Noreturn void firmware_power_off(void);

/* Interrupts off for ever, after that line. */
_Noreturn void firmware_halt(void);

#endif
