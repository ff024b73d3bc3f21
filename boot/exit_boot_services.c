/* SPDX-License-Identifier: BSD-2-Clause */
/* See exit_boot_services.h. */
#include "boot/exit_boot_services.h"

#include "boot/processor.h"

enum { ATTEMPTS = 8 };

EFI_STATUS firmware_map_measure(size_t *size, size_t *stride)
{
    UINTN bytes = 0, key, descriptor_size = 0;
    UINT32 version;
    EFI_STATUS status = firmware.services->GetMemoryMap(&bytes, NULL, &key, &descriptor_size, &version);

    if (status != EFI_BUFFER_TOO_SMALL)
        return EFI_ERROR(status) ? status : EFI_DEVICE_ERROR;
    if (descriptor_size < sizeof(struct uefi_descriptor))
        return EFI_INCOMPATIBLE_VERSION;
    *size = bytes;
    *stride = descriptor_size;
    return EFI_SUCCESS;
}

static EFI_STATUS read_map(const EFI_BOOT_SERVICES *services, const struct map_buffer *buffer,
                           struct uefi_memory_map *map, UINTN *key)
{
    UINTN bytes = buffer->size, stride = 0;
    UINT32 version;
    EFI_STATUS status = services->GetMemoryMap(&bytes, buffer->bytes, key, &stride, &version);

    *map = (struct uefi_memory_map){ buffer->bytes, bytes, stride };
    return status;
}

EFI_STATUS firmware_map_read(const struct map_buffer *buffer, struct uefi_memory_map *map, UINTN *key)
{
    return read_map(firmware.services, buffer, map, key);
}

/*
 * A driver's event may change the map between the two calls, and a failed ExitBootServices() may have ended some services:
 * after it only these two may be called (UEFI specification, EFI_BOOT_SERVICES.ExitBootServices()).
 */
EFI_STATUS exit_boot_services(const struct map_buffer *buffer, struct uefi_memory_map *map)
{
    EFI_BOOT_SERVICES *services = firmware.services;
    EFI_STATUS status = EFI_INVALID_PARAMETER;
    UINTN key;
    int i;

    firmware.services = NULL;
    for (i = 0; i < ATTEMPTS && status == EFI_INVALID_PARAMETER; i++) {
        status = read_map(services, buffer, map, &key);
        if (!EFI_ERROR(status))
            status = services->ExitBootServices(firmware.image, key);
    }
    interrupts_off();
    return status;
}
