/* SPDX-License-Identifier: BSD-2-Clause */
/* See firmware.h. */
#include "arch/x86/firmware.h"

#include "arch/x86/cpu.h"
#include "arch/x86/paging.h"
#include "arch/x86/serial.h"
#include "hv/lib/log.h"
#include "hv/lib/string.h"

/* EFI_RUNTIME_SERVICES is a header of 24 bytes and then pointers, of which ResetSystem is the 11th. */
enum { RESET_SYSTEM_OFFSET = 24 + 10 * 8 };

typedef void(__attribute__((ms_abi)) * reset_system_t)(u32 kind, u64 status, u64 data_size, void *data);

static u64 firmware_cr3, runtime_services;

void firmware_init(const struct boot_info *info)
{
    firmware_cr3 = info->firmware_cr3;
    runtime_services = info->runtime_services;
}

_Noreturn void firmware_halt(void)
{
    log_line("the machine halts here, and may be switched off");
    for (;;) {
        cli();
        hlt();
    }
}

/* UEFI specification, 2.3.4 "x64 Platforms": what the firmware may expect of the processor. */
static void enter_firmware_space(void)
{
    u64 *own = phys_to_virt(paging_root());
    u64 *firmware = phys_to_virt((hpa_t){ firmware_cr3 & CR3_ADDRESS });

    /* The upper half holds this code and its stack, perhaps in the VMAP area, which grew since these tables were made. */
    memcpy(firmware + 256, own + 256, 256 * sizeof *own);
    cr4_write((cr4_read() & ~(CR4_PGE | CR4_PCIDE | CR4_SMEP | CR4_SMAP | CR4_PKE | CR4_CET | CR4_PKS)) | CR4_OSFXSR |
              CR4_OSXMMEXCPT);
    cr0_write((cr0_read() & ~(CR0_WP | CR0_EM | CR0_TS)) | CR0_MP);
    cr3_write(firmware_cr3);
}

_Noreturn void firmware_reset(enum firmware_reset_kind kind)
{
    static bool tried;

    cli();
    serial_drain();
    if (firmware_cr3 && runtime_services && !__atomic_test_and_set(&tried, __ATOMIC_ACQ_REL)) {
        enter_firmware_space();
        (*(reset_system_t *)(runtime_services + RESET_SYSTEM_OFFSET))(kind, 0, 0, NULL);
        log_line("the firmware did not %s",
                 kind == FIRMWARE_POWER_OFF ? "switch the machine off" : "reset the machine");
    }
    firmware_halt();
}

_Noreturn void firmware_power_off(void)
{
    firmware_reset(FIRMWARE_POWER_OFF);
}
