/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Firmware: a ROM that ends at 4 GiB, where the processor fetches its first instruction, 16 bytes before the end. As a PC's
 * chipset does after reset, its last 128 KiB are seen below 1 MiB too: firmware jumps there to run in real mode. They are a
 * copy, in memory that can be written. There are no tables and no other data of slat: firmware asks fw_cfg and CMOS.
 */
#include <assert.h>

#include "hv/load/formats.h"
#include "hv/load/guest_memory_map.h"

enum {
    ROM_LEAST = 16, /* the reset vector */
    ROM_MOST = 8 << 20,
    ROM_ALIGN = 0x10000, /* CS after reset has its whole segment */
    SHADOW_SIZE = 0x20000,
};

#define ROM_END    0x100000000ull
#define SHADOW_END GUEST_HIGH_BASE

static_assert(ROM_END - ROM_MOST > 0xfee01000, "the interrupt controllers are below");

static bool is_rom_size(uint64_t size)
{
    return size >= ROM_LEAST && size <= ROM_MOST;
}

uint64_t image_rom_size(const struct guest_conf *conf, const struct image *image)
{
    if (conf->start != FLAT_RESET || !is_rom_size(image->size))
        return 0;
    return (image->size + ROM_ALIGN - 1) & -(uint64_t)ROM_ALIGN;
}

int rom_load(struct loader *loader)
{
    const struct guest_conf *conf = loader->request->conf;
    const struct image *image = &loader->request->image;
    uint64_t shadow = image->size < SHADOW_SIZE ? image->size : SHADOW_SIZE;
    int error;

    if (conf->module_count > 0)
        return loader_fail(loader, "a flat image takes no modules");
    if (!is_rom_size(image->size))
        return loader_fail(loader, "a ROM has %d bytes to %d MiB, this one has %lu bytes", ROM_LEAST, ROM_MOST >> 20,
                           image->size);
    loader->rom_size = image_rom_size(conf, image);
    error = loader_claim(loader, ROM_END - image->size, image->size, "the ROM", LOADER_NO_NUMBER);
    if (!error)
        error = loader_claim(loader, SHADOW_END - shadow, shadow, "the ROM's copy", LOADER_NO_NUMBER);
    if (error)
        return error;
    loader_write(loader, ROM_END - image->size, image->data, image->size);
    loader_write(loader, SHADOW_END - shadow, image->data + (image->size - shadow), shadow);
    loader->result->start = (struct guest_start){ .mode = START_RESET, .cs = 0xf000, .rip = 0xfff0 };
    return 0;
}
