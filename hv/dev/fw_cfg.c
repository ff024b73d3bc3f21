/* SPDX-License-Identifier: BSD-2-Clause */
/* See fw_cfg.h. */
#include "hv/dev/fw_cfg.h"

#include "hv/lib/string.h"
#include "hv/load/guest_memory_map.h"

enum { REG_SELECT = 0, REG_DATA = 1 };

enum {
    ITEM_SIGNATURE = 0x00,
    ITEM_ID = 0x01,         /* bit 0: these ports; bit 1 would be DMA */
    ITEM_RAM_SIZE = 0x03,   /* u64 */
    ITEM_PROCESSORS = 0x05, /* u16 */
    ITEM_MAX_PROCESSORS = 0x0f,
    ITEM_DIRECTORY = 0x19,
    ITEM_E820 = 0x20,            /* the first of the files */
    ITEM_IRQ0_OVERRIDE = 0x8002, /* u32: 1, the PIT is at the IOAPIC's pin 2, as hv/load/acpi_tables.c says too */
    ID_TRADITIONAL = 1,
};

/* Of the directory, whose numbers are big-endian. */
struct file {
    u8 size[4];
    u8 select[2];
    u8 reserved[2];
    char name[56];
};

struct e820_entry {
    u64 base, size;
    u32 type;
} __attribute__((packed));

enum { E820_ENTRIES = 2, E820_RAM = 1 };
static_assert(sizeof(struct file) + 4 == FW_CFG_ITEM_SIZE, "the directory with one file");
static_assert(E820_ENTRIES * sizeof(struct e820_entry) <= FW_CFG_ITEM_SIZE, "the memory map");

static void append(struct fw_cfg *cfg, const void *from, u32 size)
{
    assert(cfg->size + size <= FW_CFG_ITEM_SIZE);
    memcpy(cfg->item + cfg->size, from, size);
    cfg->size += size;
}

/* The RAM as firmware sees it: what lies below 1 MiB is one piece. */
static unsigned make_e820(const struct fw_cfg *cfg, struct e820_entry entries[E820_ENTRIES])
{
    u64 below = cfg->memory < GUEST_BELOW_4G ? cfg->memory : GUEST_BELOW_4G;

    entries[0] = (struct e820_entry){ 0, below, E820_RAM };
    entries[1] = (struct e820_entry){ GUEST_ABOVE_4G, cfg->memory - below, E820_RAM };
    return cfg->memory > below ? 2 : 1;
}

static void select_directory(struct fw_cfg *cfg)
{
    static const u8 count[4] = { 0, 0, 0, 1 };
    struct e820_entry entries[E820_ENTRIES];
    const struct file file = {
        .size = { 0, 0, 0, (u8)(make_e820(cfg, entries) * sizeof(entries[0])) },
        .select = { 0, ITEM_E820 },
        .name = "etc/e820",
    };

    append(cfg, count, sizeof(count));
    append(cfg, &file, sizeof(file));
}

static void select_e820(struct fw_cfg *cfg)
{
    struct e820_entry entries[E820_ENTRIES];
    unsigned count = make_e820(cfg, entries);

    append(cfg, entries, count * (u32)sizeof(entries[0]));
}

static void select_item(struct fw_cfg *cfg, u16 key)
{
    static const u32 id = ID_TRADITIONAL, yes = 1;

    cfg->position = 0;
    cfg->size = 0;
    switch (key) {
    case ITEM_SIGNATURE:
        append(cfg, "QEMU", 4);
        break;
    case ITEM_ID:
        append(cfg, &id, sizeof(id));
        break;
    case ITEM_RAM_SIZE:
        append(cfg, &cfg->memory, sizeof(cfg->memory));
        break;
    case ITEM_PROCESSORS:
    case ITEM_MAX_PROCESSORS:
        append(cfg, &cfg->processors, sizeof(cfg->processors));
        break;
    case ITEM_DIRECTORY:
        select_directory(cfg);
        break;
    case ITEM_E820:
        select_e820(cfg);
        break;
    case ITEM_IRQ0_OVERRIDE:
        append(cfg, &yes, sizeof(yes));
        break;
    default: /* empty: it reads as zeros */
        break;
    }
}

static u8 fw_cfg_read(void *dev, unsigned reg, u64 now_ns)
{
    struct fw_cfg *cfg = dev;

    return reg == REG_DATA && cfg->position < cfg->size ? cfg->item[cfg->position++] : 0;
}

static void fw_cfg_write_whole(void *dev, unsigned reg, u32 value, unsigned size, u64 now_ns)
{
    if (reg == REG_SELECT && size == 2)
        select_item(dev, (u16)value);
}

/* Of a wider write that starts below the ports and reaches into them. */
static void fw_cfg_write(void *dev, unsigned reg, u8 value, u64 now_ns)
{
}

const struct port_ops fw_cfg_ops = {
    .read = fw_cfg_read,
    .write = fw_cfg_write,
    .write_whole = fw_cfg_write_whole,
};

void fw_cfg_init(struct fw_cfg *cfg, u64 memory, unsigned processors)
{
    *cfg = (struct fw_cfg){ .memory = memory, .processors = (u16)processors };
    select_item(cfg, ITEM_SIGNATURE);
}
