/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The boot application: what the firmware starts, and what starts the hypervisor. Its steps are those of efi_main(), and
 * each step's result is a part of struct boot_info. Everything that can fail for lack of memory is done before boot services
 * end; what remains after that is arithmetic on memory that is already there.
 */
#include "boot/address_spaces.h"
#include "boot/clock.h"
#include "boot/conf.h"
#include "boot/configuration_tables.h"
#include "boot/console.h"
#include "boot/exit_boot_services.h"
#include "boot/files.h"
#include "boot/firmware.h"
#include "boot/five_level_paging.h"
#include "boot/handoff.h"
#include "boot/load_hypervisor.h"
#include "boot/memory_map.h"
#include "boot/own_memory.h"
#include "boot/page.h"
#include "boot/processor.h"
#include "boot/stop.h"
#include "boot/switch.h"
#include "boot/video.h"
#include "boot/volume.h"
#include "hv/lib/log.h"
#include "hv/lib/string.h"
#include "version.h"

#define CONF_PATH "\\slat\\slat.conf"

enum {
    CONF_LIMIT = 1024 * 1024,
    LARGE_PAGE = 2 * 1024 * 1024,
    SPARE_TABLES = 64,      /* the map can change until boot services end */
    SPARE_DESCRIPTORS = 64, /* also by what is allocated after measuring, besides OWN_MEMORY_MAX */
};

#define FILE_LIMIT (1ull << 40)
#define FOUR_GIB   (1ull << 32)

extern const char hypervisor_elf[], hypervisor_elf_end[];

/* What is allocated while that is possible. */
struct preparation {
    struct boot_info *info;
    struct slat_conf *conf;
    struct boot_file *files;
    struct memory_range *ranges; /* range_capacity of them */
    size_t range_capacity;
    struct map_buffer map;
    struct table_pool tables;
    void *table_pages;
    struct hypervisor_layout layout;
};

struct firmware firmware;

/* Pages, zeroed; does not return without. */
static void *allocate(uint64_t size, uint64_t alignment, enum memory_type type)
{
    void *pages = own_memory_allocate(size, alignment, type);

    if (!pages)
        stop("no memory: the firmware cannot give %llu KiB", (unsigned long long)(size >> 10));
    memset(pages, 0, size);
    return pages;
}

static void check_processor(void)
{
    if (!(processor_extended_features() & CPUID_NX))
        stop("the processor has no execute-disable bit, or it is switched off in the firmware's setup");
}

static void learn_about_machine(struct boot_info *info)
{
    uint64_t seconds;

    info->tsc_hz = clock_tsc_hz();
    if (info->tsc_hz == 0)
        stop("the firmware's Stall() does not take time");
    stop_set_tsc_hz(info->tsc_hz);
    seconds = clock_unix_time();
    if (seconds)
        info->unix_time = seconds - (processor_tsc() - info->tsc_at_entry) / info->tsc_hz;
    info->rsdp = configuration_table_rsdp();
    info->smbios = configuration_table_smbios();
    info->framebuffer = video_framebuffer();
    info->runtime_services = (uintptr_t)firmware.runtime;
}

static void read_configuration(struct slat_conf *conf)
{
    struct boot_file file = { .path = CONF_PATH };
    struct conf_error error = { 0 };
    EFI_STATUS status = volume_open();

    if (EFI_ERROR(status))
        stop("the volume that slat was started from cannot be read: EFI error %u", firmware_error_number(status));
    volume_read(&file, CONF_LIMIT);
    switch (file.state) {
    case BOOT_FILE_READ:
        break;
    case BOOT_FILE_MISSING:
        stop("there is no " CONF_PATH " on the volume that slat was started from");
    case BOOT_FILE_EMPTY:
        stop(CONF_PATH " is empty");
    case BOOT_FILE_NO_MEMORY:
        stop(CONF_PATH " is larger than %u KiB", CONF_LIMIT / 1024);
    default:
        stop(CONF_PATH " cannot be read: EFI error %u", firmware_error_number(file.efi_status));
    }
    if (conf_parse((const char *)(uintptr_t)file.base, file.size, "slat.conf", conf, &error)) {
        log_line("%s", error.text);
        stop(CONF_PATH " has an error in line %u", error.line);
    }
    own_memory_free((void *)(uintptr_t)file.base);
    stop_set_end(conf->at_end);
}

/* A file that cannot be read hurts only the guests that name it: the hypervisor reports it. */
static void read_files(struct preparation *preparation)
{
    size_t i;

    preparation->info->file_count = (uint32_t)files_collect(preparation->conf, preparation->files);
    for (i = 0; i < preparation->info->file_count; i++)
        volume_read(&preparation->files[i], FILE_LIMIT);
}

static void load_hypervisor(struct preparation *preparation)
{
    struct boot_info *info = preparation->info;
    const char *reason;
    void *image;

    if (hypervisor_check(hypervisor_elf, (size_t)(hypervisor_elf_end - hypervisor_elf), &preparation->layout, &reason))
        stop("the hypervisor's image is damaged: %s", reason);
    /* One large page of the direct map is broken up for it, not two. */
    image = allocate(preparation->layout.size, LARGE_PAGE, MEMORY_HYPERVISOR);
    hypervisor_load(hypervisor_elf, &preparation->layout, image);
    info->image_base = (uintptr_t)image;
    info->image_size = preparation->layout.size;
    info->switch_page = (uintptr_t)switch_page;
}

static struct address_spaces describe_address_spaces(const struct preparation *preparation)
{
    return (struct address_spaces){
        .ranges = preparation->ranges,
        .range_count = preparation->info->memory_range_count,
        .layout = &preparation->layout,
        .image_base = preparation->info->image_base,
        .switch_page = preparation->info->switch_page,
        .largest_level = processor_extended_features() & CPUID_1G_PAGES ? 3 : 2,
    };
}

static void convert_map(struct preparation *preparation, const struct uefi_memory_map *map)
{
    size_t own_count, count;
    const struct memory_range *own = own_memory_ranges(&own_count);

    if (memory_map_convert(map, own, own_count, preparation->ranges, preparation->range_capacity, &count))
        stop("the firmware's memory map makes no sense");
    preparation->info->memory_range_count = (uint32_t)count;
}

/* Room for the final memory map and for what is made from it. */
static void prepare_map(struct preparation *preparation)
{
    struct uefi_memory_map map;
    size_t size = 0, stride = 0, most;
    uint64_t table_bytes;
    struct address_spaces spaces;
    UINTN key;
    EFI_STATUS status = firmware_map_measure(&size, &stride);

    if (EFI_ERROR(status))
        stop("the firmware gives no memory map: EFI error %u", firmware_error_number(status));
    most = size / stride + 2 * OWN_MEMORY_MAX + SPARE_DESCRIPTORS;
    preparation->map.size = most * stride;
    preparation->map.bytes = allocate(preparation->map.size, PAGE_BYTES, MEMORY_FREE);
    preparation->range_capacity = memory_map_capacity(most, OWN_MEMORY_MAX);
    preparation->ranges =
        allocate(preparation->range_capacity * sizeof *preparation->ranges, PAGE_BYTES, MEMORY_BOOT_DATA);
    preparation->info->memory_ranges = (uintptr_t)preparation->ranges;

    status = firmware_map_read(&preparation->map, &map, &key);
    if (EFI_ERROR(status))
        stop("the firmware gives no memory map: EFI error %u", firmware_error_number(status));
    convert_map(preparation, &map);
    spaces = describe_address_spaces(preparation);
    table_bytes = (address_spaces_bound(&spaces) + SPARE_TABLES) * PAGE_BYTES;
    preparation->table_pages = allocate(table_bytes, PAGE_BYTES, MEMORY_HYPERVISOR);
    preparation->tables.next = (uintptr_t)preparation->table_pages;
    preparation->tables.end = preparation->tables.next + table_bytes;
}

/* Firmware puts all of this below 4 GiB; if one does not, it is better to say so than to fall. */
static void check_paging(const struct preparation *preparation)
{
    uint64_t code = (uintptr_t)five_level_paging_leave, stack = (uintptr_t)preparation;

    if (five_level_paging_is_on() && (code | stack | preparation->tables.end) >= FOUR_GIB)
        stop("the firmware uses 5-level paging and memory above 4 GiB: switch 5-level paging off in its setup");
}

_Noreturn static void hand_over(struct preparation *preparation)
{
    struct boot_info *info = preparation->info;
    struct uefi_memory_map map;
    struct address_spaces spaces;
    EFI_STATUS status = exit_boot_services(&preparation->map, &map);

    if (EFI_ERROR(status))
        stop("the firmware does not end its boot services: EFI error %u", firmware_error_number(status));
    convert_map(preparation, &map);
    spaces = describe_address_spaces(preparation);
    if (address_spaces_build(&spaces, &preparation->tables))
        stop("the page tables cannot be built");
    info->firmware_cr3 = spaces.firmware_root;
    own_memory_cut(preparation->table_pages, preparation->tables.next);
    convert_map(preparation, &map);

    if (five_level_paging_is_on())
        five_level_paging_leave(spaces.firmware_root);
    switch_to_hypervisor(spaces.hypervisor_root, preparation->layout.entry, DIRECT_MAP_BASE + (uintptr_t)info);
}

/* Called by gnu-efi's start-up code, with the C convention of this file. */
EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system);

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system)
{
    uint64_t tsc_at_entry = processor_tsc();
    struct preparation preparation = { 0 };
    struct boot_info *info;

    firmware = (struct firmware){ image, system, system->BootServices, system->RuntimeServices };
    firmware.services->SetWatchdogTimer(0, 0, 0, NULL);
    console_start();
    log_line("%s, started by UEFI %u.%u", SLAT_VERSION, system->Hdr.Revision >> 16,
             (system->Hdr.Revision & 0xffff) / 10);
    check_processor();

    info = allocate(sizeof *info, PAGE_BYTES, MEMORY_BOOT_DATA);
    preparation.info = info;
    preparation.conf = allocate(sizeof *preparation.conf, PAGE_BYTES, MEMORY_BOOT_DATA);
    preparation.files = allocate(FILES_MAX * sizeof *preparation.files, PAGE_BYTES, MEMORY_BOOT_DATA);
    info->magic = BOOT_INFO_MAGIC;
    info->version = BOOT_INFO_VERSION;
    info->size = sizeof *info;
    info->conf = (uintptr_t)preparation.conf;
    info->files = (uintptr_t)preparation.files;
    info->tsc_at_entry = tsc_at_entry;

    learn_about_machine(info);
    read_configuration(preparation.conf);
    load_hypervisor(&preparation);
    prepare_map(&preparation);
    check_paging(&preparation);
    read_files(&preparation);
    hand_over(&preparation);
}
