/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An EFI application that starts a bzImage on the bare machine just as slat starts it in a guest: by the 64-bit boot protocol
 * (Documentation/x86/boot.rst), without the kernel's own EFI code, with the same initramfs and command line. So both count
 * from the same instruction on; the kernel is told the TSC at that moment by " entry=N" on its command line.
 *
 * It reads \vmlinuz, \initramfs and \cmdline from the volume that it was started from.
 */
#include <efi.h>

#include <asm/bootparam.h>

enum {
    PAGE = 4096,
    SECTOR = 512,
    ENTRY_64 = 0x200,
    COMMAND_LINE_SIZE = 2048,
    MAP_SIZE = 64 * 1024,
    LOADER_UNDEFINED = 0xff,
    E820_USABLE = 1,
    E820_RESERVED = 2,
    E820_ACPI = 3,
    E820_NVS = 4,
};

#define PAGES(size) (((size) + PAGE - 1) / PAGE)
#define FOUR_GIB    0xffffffffull

struct file {
    UINT8 *bytes;
    UINTN size;
};

static EFI_SYSTEM_TABLE *system;
static EFI_BOOT_SERVICES *services;

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table);

static void copy(void *to, const void *from, UINTN size)
{
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
}

static void clear(void *memory, UINTN size)
{
    __asm__ volatile("rep stosb" : "+D"(memory), "+c"(size) : "a"(0) : "memory");
}

/* Says what is wrong; there is no way back that would be of use. */
static void check(EFI_STATUS status, const CHAR16 *what)
{
    if (!EFI_ERROR(status))
        return;
    system->ConOut->OutputString(system->ConOut, (CHAR16 *)L"bare: ");
    system->ConOut->OutputString(system->ConOut, (CHAR16 *)what);
    system->ConOut->OutputString(system->ConOut, (CHAR16 *)L" failed\r\n");
    for (;;)
        services->Stall(1000000);
}

static void *allocate(UINTN size)
{
    EFI_PHYSICAL_ADDRESS address = FOUR_GIB;

    check(services->AllocatePages(AllocateMaxAddress, EfiLoaderData, PAGES(size), &address), L"allocating memory");
    clear((void *)address, PAGES(size) * PAGE);
    return (void *)address;
}

static struct file file_read(EFI_FILE_HANDLE root, const CHAR16 *path)
{
    static EFI_GUID info_guid = EFI_FILE_INFO_ID;
    static UINT8 info[512] __attribute__((aligned(8)));
    UINTN info_size = sizeof(info);
    EFI_FILE_HANDLE handle;
    struct file file;

    check(root->Open(root, &handle, (CHAR16 *)path, EFI_FILE_MODE_READ, 0), path);
    check(handle->GetInfo(handle, &info_guid, &info_size, info), path);
    file.size = ((EFI_FILE_INFO *)info)->FileSize;
    file.bytes = allocate(file.size + 1);
    check(handle->Read(handle, &file.size, file.bytes), path);
    return file;
}

static EFI_FILE_HANDLE volume(EFI_HANDLE image)
{
    static EFI_GUID image_guid = EFI_LOADED_IMAGE_PROTOCOL_GUID, files_guid = EFI_SIMPLE_FILE_SYSTEM_PROTOCOL_GUID;
    EFI_LOADED_IMAGE *loaded;
    EFI_FILE_IO_INTERFACE *files;
    EFI_FILE_HANDLE root;

    check(services->HandleProtocol(image, &image_guid, (void **)&loaded), L"finding the image");
    check(services->HandleProtocol(loaded->DeviceHandle, &files_guid, (void **)&files), L"finding the volume");
    check(files->OpenVolume(files, &root), L"opening the volume");
    return root;
}

static UINT64 find_rsdp(void)
{
    static const EFI_GUID acpi = ACPI_20_TABLE_GUID;

    for (UINTN i = 0; i < system->NumberOfTableEntries; i++) {
        const UINT64 *guid = (const UINT64 *)&system->ConfigurationTable[i].VendorGuid;
        if (guid[0] == ((const UINT64 *)&acpi)[0] && guid[1] == ((const UINT64 *)&acpi)[1])
            return (UINT64)system->ConfigurationTable[i].VendorTable;
    }
    return 0;
}

static UINT32 e820_type(UINT32 type)
{
    switch (type) {
    case EfiLoaderCode:
    case EfiLoaderData:
    case EfiBootServicesCode:
    case EfiBootServicesData:
    case EfiConventionalMemory:
        return E820_USABLE;
    case EfiACPIReclaimMemory:
        return E820_ACPI;
    case EfiACPIMemoryNVS:
        return E820_NVS;
    default:
        return E820_RESERVED;
    }
}

/* The firmware's map is sorted and has far more entries than there is room for: neighbours become one. */
static void fill_e820(struct boot_params *params, const UINT8 *map, UINTN size, UINTN stride)
{
    unsigned count = 0;

    for (const UINT8 *at = map; at < map + size; at += stride) {
        const EFI_MEMORY_DESCRIPTOR *entry = (const EFI_MEMORY_DESCRIPTOR *)at;
        struct boot_e820_entry *last = &params->e820_table[count - (count > 0)];
        UINT32 type = e820_type(entry->Type);
        if (count && last->type == type && last->addr + last->size == entry->PhysicalStart)
            last->size += entry->NumberOfPages * PAGE;
        else if (count < E820_MAX_ENTRIES_ZEROPAGE)
            params->e820_table[count++] =
                (struct boot_e820_entry){ entry->PhysicalStart, entry->NumberOfPages * PAGE, type };
    }
    params->e820_entries = (__u8)count;
}

/* Where the kernel prefers to be, else anywhere. */
static UINT8 *load_kernel(const struct file *file, const struct setup_header *header)
{
    UINTN start = (header->setup_sects + 1u) * SECTOR, pages = PAGES(header->init_size);
    EFI_PHYSICAL_ADDRESS address = header->pref_address;

    if (EFI_ERROR(services->AllocatePages(AllocateAddress, EfiLoaderData, pages, &address))) {
        UINTN alignment = header->kernel_alignment;
        address = ((UINTN)allocate(pages * PAGE + alignment) + alignment - 1) & ~(alignment - 1);
    }
    copy((void *)address, file->bytes + start, file->size - start);
    return (UINT8 *)address;
}

static void append_number(char *text, UINT64 number)
{
    char digits[24];
    unsigned count = 0;

    do
        digits[count++] = (char)('0' + number % 10);
    while (number /= 10);
    while (count)
        *text++ = digits[--count];
    *text = '\0';
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table)
{
    static const char entry[] = " entry=";
    struct file kernel, initramfs, text;
    struct boot_params *params;
    char *command_line;
    UINT8 *start, *map;
    UINTN size = MAP_SIZE, key, stride, length;
    UINT32 version, low, high;
    EFI_FILE_HANDLE root;

    system = table;
    services = table->BootServices;
    root = volume(image);
    kernel = file_read(root, L"\\vmlinuz");
    initramfs = file_read(root, L"\\initramfs");
    text = file_read(root, L"\\cmdline");

    params = allocate(sizeof(*params));
    copy(&params->hdr, kernel.bytes + 0x1f1, 0x202u + kernel.bytes[0x201] - 0x1f1);
    start = load_kernel(&kernel, &params->hdr);
    command_line = allocate(COMMAND_LINE_SIZE);
    length = text.size;
    while (length && text.bytes[length - 1] == '\n')
        length--;
    copy(command_line, text.bytes, length);
    copy(command_line + length, entry, sizeof(entry));
    params->hdr.type_of_loader = LOADER_UNDEFINED;
    params->hdr.cmd_line_ptr = (UINT32)(UINTN)command_line;
    params->hdr.ramdisk_image = (UINT32)(UINTN)initramfs.bytes;
    params->hdr.ramdisk_size = (UINT32)initramfs.size;
    params->acpi_rsdp_addr = find_rsdp();
    map = allocate(MAP_SIZE);

    check(services->GetMemoryMap(&size, (EFI_MEMORY_DESCRIPTOR *)map, &key, &stride, &version), L"reading the map");
    if (EFI_ERROR(services->ExitBootServices(image, key))) {
        size = MAP_SIZE;
        services->GetMemoryMap(&size, (EFI_MEMORY_DESCRIPTOR *)map, &key, &stride, &version);
        services->ExitBootServices(image, key);
    }
    fill_e820(params, map, size, stride);
    __asm__ volatile("cli; cld; rdtsc" : "=a"(low), "=d"(high));
    append_number(command_line + length + sizeof(entry) - 1, (UINT64)high << 32 | low);
    __asm__ volatile("jmp *%0" : : "r"(start + ENTRY_64), "S"(params) : "memory");
    __builtin_unreachable();
}
