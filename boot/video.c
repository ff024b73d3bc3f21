/* SPDX-License-Identifier: BSD-2-Clause */
/* See video.h. */
#include "boot/video.h"

#include "boot/firmware.h"

static EFI_GUID graphics_guid = EFI_GRAPHICS_OUTPUT_PROTOCOL_GUID;

static enum framebuffer_format format_of(EFI_GRAPHICS_PIXEL_FORMAT format)
{
    switch (format) {
    case PixelRedGreenBlueReserved8BitPerColor:
        return FRAMEBUFFER_RGBX;
    case PixelBlueGreenRedReserved8BitPerColor:
        return FRAMEBUFFER_BGRX;
    default:
        return FRAMEBUFFER_NONE;
    }
}

static bool read_mode(const EFI_GRAPHICS_OUTPUT_PROTOCOL_MODE *mode, struct framebuffer *framebuffer)
{
    const EFI_GRAPHICS_OUTPUT_MODE_INFORMATION *info;

    if (!mode || !mode->Info || !mode->FrameBufferBase)
        return false;
    info = mode->Info;
    *framebuffer = (struct framebuffer){
        .base = mode->FrameBufferBase,
        .size = mode->FrameBufferSize,
        .width = info->HorizontalResolution,
        .height = info->VerticalResolution,
        .pitch = info->PixelsPerScanLine * 4,
        .format = format_of(info->PixelFormat),
    };
    return framebuffer->format != FRAMEBUFFER_NONE && framebuffer->width && framebuffer->height &&
           info->PixelsPerScanLine >= framebuffer->width && info->PixelsPerScanLine <= UINT32_MAX / 4 &&
           (uint64_t)framebuffer->pitch * framebuffer->height <= framebuffer->size;
}

struct framebuffer video_framebuffer(void)
{
    struct framebuffer framebuffer;
    EFI_HANDLE *handles;
    UINTN count = 0, i;
    bool found = false;

    if (EFI_ERROR(firmware.services->LocateHandleBuffer(ByProtocol, &graphics_guid, NULL, &count, &handles)))
        return (struct framebuffer){ 0 };
    for (i = 0; i < count && !found; i++) {
        void *graphics = NULL;

        if (!EFI_ERROR(firmware.services->HandleProtocol(handles[i], &graphics_guid, &graphics)) && graphics)
            found = read_mode(((EFI_GRAPHICS_OUTPUT_PROTOCOL *)graphics)->Mode, &framebuffer);
    }
    firmware.services->FreePool(handles);
    return found ? framebuffer : (struct framebuffer){ 0 };
}
