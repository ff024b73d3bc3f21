/* SPDX-License-Identifier: BSD-2-Clause */
/* See volume.h. main.c reads slat.conf through this, and all that slat.conf names. */
#include "boot/volume.h"

#include "boot/own_memory.h"
#include "boot/page.h"
#include "hv/lib/log.h"
#include "hv/lib/string.h"

enum {
    INFO_BYTES = 1024,             /* EFI_FILE_INFO with its name: 255 characters in FAT */
    CHUNK_BYTES = 4 * 1024 * 1024, /* some drivers fail with more at once */
    ANNOUNCED_BYTES = 1024 * 1024,
};

static EFI_GUID loaded_image_guid = EFI_LOADED_IMAGE_PROTOCOL_GUID;
static EFI_GUID file_system_guid = EFI_SIMPLE_FILE_SYSTEM_PROTOCOL_GUID;
static EFI_GUID file_info_guid = EFI_FILE_INFO_ID;

static EFI_FILE_HANDLE root;

EFI_STATUS volume_open(void)
{
    void *interface;
    EFI_STATUS status = firmware.services->HandleProtocol(firmware.image, &loaded_image_guid, &interface);

    if (!EFI_ERROR(status)) {
        EFI_LOADED_IMAGE *image = interface;

        status = firmware.services->HandleProtocol(image->DeviceHandle, &file_system_guid, &interface);
    }
    if (!EFI_ERROR(status)) {
        EFI_FILE_IO_INTERFACE *file_system = interface;

        status = file_system->OpenVolume(file_system, &root);
    }
    return status;
}

/* Paths are ASCII: boot/conf.c sees to that. */
static EFI_STATUS open(const char *path, EFI_FILE_HANDLE *handle)
{
    CHAR16 wide[CONF_PATH_SIZE];
    size_t i, length = strnlen(path, CONF_PATH_SIZE - 1);

    for (i = 0; i < length; i++)
        wide[i] = (unsigned char)path[i];
    wide[length] = 0;
    return root->Open(root, handle, wide, EFI_FILE_MODE_READ, 0);
}

static EFI_STATUS get_size(EFI_FILE_HANDLE handle, uint64_t *size)
{
    union {
        EFI_FILE_INFO info;
        char bytes[INFO_BYTES];
    } buffer;
    UINTN bytes = sizeof buffer;
    EFI_STATUS status = handle->GetInfo(handle, &file_info_guid, &bytes, &buffer);

    if (EFI_ERROR(status))
        return status;
    if (buffer.info.Attribute & EFI_FILE_DIRECTORY)
        return EFI_UNSUPPORTED;
    *size = buffer.info.FileSize;
    return EFI_SUCCESS;
}

static EFI_STATUS read_content(EFI_FILE_HANDLE handle, char *to, uint64_t size)
{
    uint64_t done = 0;

    while (done < size) {
        UINTN bytes = size - done < CHUNK_BYTES ? size - done : CHUNK_BYTES;
        EFI_STATUS status = handle->Read(handle, &bytes, to + done);

        if (EFI_ERROR(status))
            return status;
        if (bytes == 0 || bytes > size - done)
            return EFI_END_OF_FILE;
        done += bytes;
    }
    return EFI_SUCCESS;
}

static void read_opened(struct boot_file *file, EFI_FILE_HANDLE handle, uint64_t limit)
{
    uint64_t size = 0;
    char *content;

    file->state = BOOT_FILE_ERROR;
    file->efi_status = get_size(handle, &size);
    if (EFI_ERROR(file->efi_status))
        return;
    if (size == 0) {
        file->state = BOOT_FILE_EMPTY;
        return;
    }
    content = size <= limit ? own_memory_allocate(size, PAGE_BYTES, MEMORY_BOOT_DATA) : NULL;
    if (!content) {
        file->state = BOOT_FILE_NO_MEMORY;
        return;
    }
    if (size > ANNOUNCED_BYTES)
        log_line("reading %s (%llu MiB)", file->path, (unsigned long long)(size >> 20));
    file->efi_status = read_content(handle, content, size);
    if (EFI_ERROR(file->efi_status)) {
        own_memory_free(content);
        return;
    }
    memset(content + size, 0, -size % PAGE_BYTES);
    file->state = BOOT_FILE_READ;
    file->base = (uintptr_t)content;
    file->size = size;
}

void volume_read(struct boot_file *file, uint64_t limit)
{
    EFI_FILE_HANDLE handle;

    file->base = file->size = 0;
    file->efi_status = open(file->path, &handle);
    if (EFI_ERROR(file->efi_status)) {
        file->state = file->efi_status == EFI_NOT_FOUND ? BOOT_FILE_MISSING : BOOT_FILE_ERROR;
        return;
    }
    read_opened(file, handle, limit);
    handle->Close(handle);
}
