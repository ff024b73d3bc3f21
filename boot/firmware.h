/* SPDX-License-Identifier: BSD-2-Clause */
/* The firmware, as everything in boot/ reaches it. */
#ifndef BOOT_FIRMWARE_H
#define BOOT_FIRMWARE_H

#include <efi.h>
#include <stdbool.h>

/* Set once, first thing in efi_main(). */
struct firmware {
    EFI_HANDLE image; /* the boot application itself */
    EFI_SYSTEM_TABLE *system;
    EFI_BOOT_SERVICES *services; /* NULL as soon as boot services may have ended */
    EFI_RUNTIME_SERVICES *runtime;
};

extern struct firmware firmware;

/* The number that the specification gives an error ("EFI_NOT_FOUND 14"), for people. */
static inline unsigned firmware_error_number(EFI_STATUS status)
{
    return (unsigned)(status & ~EFI_ERROR_MASK);
}

#endif
