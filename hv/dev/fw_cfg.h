/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * QEMU's configuration interface for firmware, at ports 0x510 and 0x511 (QEMU, docs/specs/fw_cfg.rst), without DMA: a 16-bit
 * write to the first selects an item, reads of the second give its bytes one after the other, and zeros behind its end.
 * Firmware and test kernels learn from it how many processors and how much memory there are; as file "etc/e820" it has
 * the memory once more, for SeaBIOS. Nothing can be written.
 */
#ifndef HV_DEV_FW_CFG_H
#define HV_DEV_FW_CFG_H

#include "hv/dev/port_bus.h"

enum {
    FW_CFG_PORT = 0x510,
    FW_CFG_PORTS = 2,
    FW_CFG_ITEM_SIZE = 4 + 64, /* the largest: the directory with one file */
};

struct fw_cfg {
    /* set once: */
    u64 memory;
    u16 processors;
    /* what is selected: */
    u32 position; /* of the next byte */
    u32 size;
    u8 item[FW_CFG_ITEM_SIZE];
};

/* `memory` in bytes, laid out as hv/load/guest_memory_map.h says. */
void fw_cfg_init(struct fw_cfg *cfg, u64 memory, unsigned processors);

extern const struct port_ops fw_cfg_ops; /* dev: struct fw_cfg; register 0 selects, 1 reads */

#endif
