/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lines go to COM1 by our own hand, and to the firmware's console. The trouble is that the firmware's console often ends
 * at COM1 as well, among other devices, and then every line would be there twice. EDK2, from which nearly all firmware
 * descends, marks each device that its console writes to (a terminal on a UART, a screen) with a protocol without
 * interface; so we write to these devices one by one, and leave out the one at COM1. Where no device is marked, or no UART
 * answers at COM1, the whole console is used: a doubled line is ugly, a lost one worse.
 */
#include "boot/console.h"

#include "boot/firmware.h"
#include "boot/serial.h"
#include "hv/lib/log.h"

/* EFI_CONSOLE_OUT_DEVICE_GUID of EDK2, MdeModulePkg/Include/Guid/ConsoleOutDevice.h */
static EFI_GUID console_device_guid = {
    0xd3b36f2c, 0xd551, 0x11d4, { 0x9a, 0x46, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d }
};
static EFI_GUID text_output_guid = SIMPLE_TEXT_OUTPUT_PROTOCOL;
static EFI_GUID device_path_guid = EFI_DEVICE_PATH_PROTOCOL_GUID;

enum {
    MAX_DEVICES = 8,
    SERIAL_PORT_HID = 0x050141d0, /* PNP0501, in the encoding of EISA */
    COM1_UID = 0,
};

static SIMPLE_TEXT_OUTPUT_INTERFACE *devices[MAX_DEVICES];
static unsigned device_count;

static bool is_at_com1(const EFI_DEVICE_PATH *node)
{
    for (; !IsDevicePathEnd(node); node = NextDevicePathNode(node)) {
        const ACPI_HID_DEVICE_PATH *acpi = (const ACPI_HID_DEVICE_PATH *)node;

        if (DevicePathNodeLength(node) < (int)sizeof *node)
            return false;
        if (DevicePathType(node) == ACPI_DEVICE_PATH && DevicePathSubType(node) == ACPI_DP &&
            acpi->HID == SERIAL_PORT_HID && acpi->UID == COM1_UID)
            return true;
    }
    return false;
}

static void use(SIMPLE_TEXT_OUTPUT_INTERFACE *device)
{
    if (device && device_count < MAX_DEVICES)
        devices[device_count++] = device;
}

static void use_handle(EFI_HANDLE handle)
{
    void *path = NULL, *output = NULL;

    if (!EFI_ERROR(firmware.services->HandleProtocol(handle, &device_path_guid, &path)) && path && is_at_com1(path))
        return;
    if (!EFI_ERROR(firmware.services->HandleProtocol(handle, &text_output_guid, &output)))
        use(output);
}

static void use_devices_but_com1(void)
{
    EFI_HANDLE *handles;
    UINTN count = 0, i;

    if (EFI_ERROR(firmware.services->LocateHandleBuffer(ByProtocol, &console_device_guid, NULL, &count, &handles))) {
        use(firmware.system->ConOut);
        return;
    }
    for (i = 0; i < count; i++)
        use_handle(handles[i]);
    firmware.services->FreePool(handles);
}

static void device_write(SIMPLE_TEXT_OUTPUT_INTERFACE *device, const char *text, size_t length)
{
    CHAR16 wide[128];
    size_t used = 0, i;

    for (i = 0; i < length; i++) {
        if (text[i] == '\n')
            wide[used++] = '\r';
        wide[used++] = text[i] == '\n' || (text[i] >= ' ' && text[i] <= '~') ? (CHAR16)text[i] : '?';
        if (used > sizeof wide / sizeof *wide - 3 || i == length - 1) {
            wide[used] = 0;
            device->OutputString(device, wide);
            used = 0;
        }
    }
}

static void console_write(const char *text, size_t length)
{
    unsigned i;

    serial_write(text, length);
    for (i = 0; i < device_count && firmware.services; i++)
        device_write(devices[i], text, length);
}

void console_start(void)
{
    if (serial_start())
        use_devices_but_com1();
    else
        use(firmware.system->ConOut);
    log_set_sink(console_write);
}
