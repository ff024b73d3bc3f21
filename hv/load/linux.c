/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Linux bzImage, boot protocol 2.06 and later (Linux, Documentation/arch/x86/boot.rst), which memtest86+ speaks too. The
 * kernel's real-mode part is not run; it is entered by the 64-bit boot protocol if it has that entry (XLF_KERNEL_64), else
 * by the 32-bit one, with RSI = boot_params, segments and GDT from long_mode.h, and no stack.
 *
 * In memory: the protected-mode part at its preferred address if it is relocatable, else at 1 MiB; boot_params and command
 * line below 0x90000; the initrd, which is the one module, as high as the kernel and the memory allow. There is no screen.
 */
#include <assert.h>

#include "hv/lib/string.h"
#include "hv/load/acpi_tables.h"
#include "hv/load/formats.h"
#include "hv/load/guest_memory_map.h"
#include "hv/load/long_mode.h"

/* The setup header: offsets in the file and, the same, in boot_params. */
enum {
    SETUP_SECTS = 0x1f1,        /* u8: 512-byte sectors after the first one; 0 means 4 */
    SYSSIZE = 0x1f4,            /* u32: the protected-mode part in 16-byte units */
    BOOT_FLAG = 0x1fe,          /* u16 0xaa55 */
    HEADER_LENGTH = 0x201,      /* u8: from HEADER_MAGIC to the end of the header (the operand of a jump over it) */
    HEADER_MAGIC = 0x202,       /* "HdrS" */
    VERSION = 0x206,            /* u16 */
    TYPE_OF_LOADER = 0x210,     /* u8 */
    LOADFLAGS = 0x211,          /* u8 */
    CODE32_START = 0x214,       /* u32 */
    RAMDISK_IMAGE = 0x218,      /* u32 */
    RAMDISK_SIZE = 0x21c,       /* u32 */
    CMD_LINE_PTR = 0x228,       /* u32 */
    INITRD_ADDR_MAX = 0x22c,    /* u32: highest address that the initrd may occupy */
    KERNEL_ALIGNMENT = 0x230,   /* u32 */
    RELOCATABLE_KERNEL = 0x234, /* u8 */
    XLOADFLAGS = 0x236,         /* u16, 2.12 */
    CMDLINE_SIZE = 0x238,       /* u32: without the terminating NUL */
    END_2_06 = 0x23c,
    PREF_ADDRESS = 0x258, /* u64, 2.10 */
    INIT_SIZE = 0x260,    /* u32, 2.10: what the kernel needs from its run-time address on */
    END_2_10 = 0x264,
};

/* The rest of boot_params ("zero page"). */
enum {
    ACPI_RSDP_ADDR = 0x70,    /* u64, 2.14: 0: the kernel searches the BIOS area */
    E820_ENTRIES = 0x1e8,     /* u8 */
    SETUP_HEADER_END = 0x290, /* what boot_params has room for */
    E820_TABLE = 0x2d0,
    BOOT_PARAMS_SIZE = 0x1000,
};

struct e820_entry {
    uint64_t base, size;
    uint32_t type;
} __attribute__((packed));
static_assert(sizeof(struct e820_entry) == 20, "as the firmware call returns it");

enum {
    SECTOR = 512,
    LOADED_HIGH = 1u << 0,   /* LOADFLAGS: a bzImage */
    XLF_KERNEL_64 = 1u << 0, /* XLOADFLAGS */
    ENTRY_64 = 0x200,        /* from the start of the protected-mode part */
    LOADER_UNDEFINED = 0xff, /* TYPE_OF_LOADER: none of the registered ones */
    INITRD_ALIGN = 0x1000,
};

#define BZIMAGE_BASE 0x100000ull /* where a kernel that is not relocatable lies; CODE32_START counts from there */
#define LIMIT_4G     0x100000000ull

/* The header's statements, decoded and checked. */
struct linux_kernel {
    unsigned version;    /* 0x020f is 2.15 */
    uint64_t header_end; /* offset in the file */
    const uint8_t *code; /* the protected-mode part */
    uint64_t code_size;
    bool is_64;
    uint64_t load; /* guest-physical address of the protected-mode part */
    uint64_t entry;
    uint64_t base, end;   /* all the memory that the kernel occupies until it knows its memory map */
    uint64_t cmdline_max; /* characters */
    uint64_t initrd_end;  /* the initrd ends there at the latest */
};

static uint16_t get16(const uint8_t *from)
{
    uint16_t value;

    memcpy(&value, from, sizeof(value));
    return value;
}

static uint32_t get32(const uint8_t *from)
{
    uint32_t value;

    memcpy(&value, from, sizeof(value));
    return value;
}

static uint64_t get64(const uint8_t *from)
{
    uint64_t value;

    memcpy(&value, from, sizeof(value));
    return value;
}

static void put32(uint8_t *to, uint64_t value)
{
    uint32_t low = (uint32_t)value;

    assert(low == value);
    memcpy(to, &low, sizeof(low));
}

bool linux_found(const struct image *image)
{
    return image->size >= VERSION + 2 && get16(image->data + BOOT_FLAG) == 0xaa55 &&
           memcmp(image->data + HEADER_MAGIC, "HdrS", 4) == 0;
}

static int decode_header(struct loader *loader, struct linux_kernel *kernel)
{
    const struct image *image = &loader->request->image;
    uint64_t least;

    if (!linux_found(image))
        return loader_fail(loader, "no Linux boot header (0xaa55 at 0x1fe and HdrS at 0x202)");
    kernel->version = get16(image->data + VERSION);
    kernel->header_end = HEADER_MAGIC + image->data[HEADER_LENGTH];
    if (kernel->version < 0x206)
        return loader_fail(loader, "the kernel speaks boot protocol %u.%02u, slat 2.06 and later", kernel->version >> 8,
                           kernel->version & 0xff);
    least = kernel->version < 0x20a ? END_2_06 : END_2_10;
    if (kernel->header_end < least || kernel->header_end > SETUP_HEADER_END)
        return loader_fail(loader, "the setup header ends at %#lx; boot protocol %u.%02u needs %#lx to %#x",
                           kernel->header_end, kernel->version >> 8, kernel->version & 0xff, least, SETUP_HEADER_END);
    if (kernel->header_end > image->size)
        return loader_fail(loader, "truncated: %lu bytes end before the setup header", image->size);
    if (!(image->data[LOADFLAGS] & LOADED_HIGH))
        return loader_fail(loader, "a zImage, which loads at 0x10000; only a bzImage can be started");

    kernel->cmdline_max = get32(image->data + CMDLINE_SIZE);
    kernel->initrd_end = get32(image->data + INITRD_ADDR_MAX) + 1ull;
    return 0;
}

static int find_code(struct loader *loader, struct linux_kernel *kernel)
{
    const struct image *image = &loader->request->image;
    unsigned sectors = image->data[SETUP_SECTS];
    uint64_t setup_size = (1ull + (sectors ? sectors : 4)) * SECTOR;
    uint64_t syssize = get32(image->data + SYSSIZE);

    if (image->size <= setup_size)
        return loader_fail(loader, "truncated: %lu bytes end before the kernel's code at %#lx", image->size,
                           setup_size);
    kernel->code = image->data + setup_size;
    kernel->code_size = image->size - setup_size;
    /* syssize is rounded up. A file may be longer: signatures and section alignment follow the code. */
    if (syssize > (kernel->code_size + 15) / 16)
        return loader_fail(loader, "truncated: the kernel's code has %#lx bytes, its header says %#lx",
                           kernel->code_size, syssize * 16);
    return 0;
}

/* Where the kernel runs and what it needs there: boot.rst, "pref_address" and "init_size". */
static int find_place(struct loader *loader, struct linux_kernel *kernel)
{
    const uint8_t *header = loader->request->image.data;
    bool relocatable = header[RELOCATABLE_KERNEL] != 0;
    uint64_t align = relocatable ? get32(header + KERNEL_ALIGNMENT) : 1;
    uint64_t run = kernel->version >= 0x20a ? get64(header + PREF_ADDRESS) : 0;
    uint64_t init_size = kernel->version >= 0x20a ? get32(header + INIT_SIZE) : 0;
    uint64_t end, run_end;

    if (run == 0)
        run = BZIMAGE_BASE;
    if (align == 0 || (align & (align - 1)) != 0)
        return loader_fail(loader, "the kernel's alignment %#lx is not a power of two", align);
    if (run > LIMIT_4G - align)
        return loader_fail(loader, "the kernel's preferred address %#lx, aligned to %#lx, lies above 4 GiB", run,
                           align);
    run = (run + align - 1) & -align;
    kernel->load = relocatable ? run : BZIMAGE_BASE;
    end = kernel->load + kernel->code_size;
    run_end = run + init_size;
    kernel->base = run < kernel->load ? run : kernel->load;
    kernel->end = run_end > end ? run_end : end;
    return 0;
}

static int find_entry(struct loader *loader, struct linux_kernel *kernel)
{
    const uint8_t *header = loader->request->image.data;
    uint64_t code32_start = get32(header + CODE32_START);
    uint64_t offset = code32_start ? code32_start - BZIMAGE_BASE : 0;

    kernel->is_64 = kernel->version >= 0x20c && (get16(header + XLOADFLAGS) & XLF_KERNEL_64);
    if (kernel->is_64)
        offset = ENTRY_64;
    if (offset >= kernel->code_size)
        return loader_fail(loader, "the kernel's entry (code32_start %#lx, 64-bit: %s) lies outside its code",
                           code32_start, kernel->is_64 ? "yes" : "no");
    kernel->entry = kernel->load + offset;
    return 0;
}

static int load_code(struct loader *loader, const struct linux_kernel *kernel)
{
    int error = loader_claim(loader, kernel->base, kernel->end - kernel->base, "the kernel (with its work space)",
                             LOADER_NO_NUMBER);

    if (!error)
        loader_write(loader, kernel->load, kernel->code, kernel->code_size);
    return error;
}

/* *base: 0 without an initrd. */
static int load_initrd(struct loader *loader, const struct linux_kernel *kernel, uint64_t *base)
{
    const struct image *initrd = &loader->request->modules[0];
    unsigned count = loader->request->conf->module_count;
    int error;

    *base = 0;
    if (count == 0)
        return 0;
    if (count > 1)
        return loader_fail(loader, "a Linux kernel takes one module, its initrd; there are %u", count);
    if (!loader_find_down(loader, kernel->initrd_end, initrd->size, INITRD_ALIGN, base))
        return loader_fail(loader, "no room for the initrd (%lu KiB) below %#lx in the guest's %lu KiB of memory",
                           (initrd->size + 1023) / 1024, kernel->initrd_end, loader->request->memory_size / 1024);
    error = loader_claim(loader, *base, initrd->size, "the initrd", LOADER_NO_NUMBER);
    if (!error)
        loader_write(loader, *base, initrd->data, initrd->size);
    return error;
}

static int load_cmdline(struct loader *loader, const struct linux_kernel *kernel, uint64_t *base)
{
    const char *cmdline = loader->request->conf->cmdline;
    uint64_t length = strlen(cmdline);
    int error;

    if (length > kernel->cmdline_max)
        return loader_fail(loader, "the command line has %lu characters, this kernel takes %lu", length,
                           kernel->cmdline_max);
    error = boot_structure_place(loader, length + 1, 16, "the command line", base);
    if (!error)
        loader_write(loader, *base, cmdline, length + 1);
    return error;
}

static void write_e820(struct loader *loader, uint64_t boot_params)
{
    struct guest_map_entry map[GUEST_MAP_MAX];
    uint8_t count = (uint8_t)guest_memory_map(loader->request->memory_size, map);

    loader_write(loader, boot_params + E820_ENTRIES, &count, sizeof(count));
    for (unsigned i = 0; i < count; i++) {
        const struct e820_entry entry = { map[i].base, map[i].size, map[i].type };

        loader_write(loader, boot_params + E820_TABLE + i * sizeof(entry), &entry, sizeof(entry));
    }
}

/* boot_params is zero but for the header, as the kernel gave it with the loader's fields filled in, and the memory map. */
static int place_boot_params(struct loader *loader, const struct linux_kernel *kernel, uint64_t initrd,
                             uint64_t cmdline, uint64_t *base)
{
    uint8_t header[SETUP_HEADER_END];
    uint64_t rsdp;
    int error = boot_structure_place(loader, BOOT_PARAMS_SIZE, BOOT_PARAMS_SIZE, "boot_params", base);

    if (error)
        return error;
    memcpy(header, loader->request->image.data, kernel->header_end);
    header[TYPE_OF_LOADER] = LOADER_UNDEFINED;
    put32(header + CODE32_START, kernel->is_64 ? kernel->load : kernel->entry);
    put32(header + RAMDISK_IMAGE, initrd);
    put32(header + RAMDISK_SIZE, initrd ? loader->request->modules[0].size : 0);
    put32(header + CMD_LINE_PTR, cmdline);
    loader_write(loader, *base + SETUP_SECTS, header + SETUP_SECTS, kernel->header_end - SETUP_SECTS);
    write_e820(loader, *base);
    rsdp = acpi_tables_place(loader);
    if (kernel->version >= 0x20e)
        loader_write(loader, *base + ACPI_RSDP_ADDR, &rsdp, sizeof(rsdp));
    return 0;
}

int linux_load(struct loader *loader)
{
    struct linux_kernel kernel;
    struct guest_start start = { 0 };
    uint64_t initrd, cmdline;
    int error = decode_header(loader, &kernel);

    if (!error)
        error = find_code(loader, &kernel);
    if (!error)
        error = find_place(loader, &kernel);
    if (!error)
        error = find_entry(loader, &kernel);
    if (!error)
        error = load_code(loader, &kernel);
    if (error)
        return error;

    start.mode = kernel.is_64 ? START_LONG64 : START_FLAT32;
    start.rip = kernel.entry;
    error = boot_gdt_place(loader, &start);
    if (!error && kernel.is_64)
        error = identity_map_place(loader, &start);
    if (!error)
        error = load_cmdline(loader, &kernel, &cmdline);
    if (!error)
        error = load_initrd(loader, &kernel, &initrd);
    if (!error)
        error = place_boot_params(loader, &kernel, initrd, cmdline, &start.rsi);
    if (!error)
        loader->result->start = start;
    return error;
}
