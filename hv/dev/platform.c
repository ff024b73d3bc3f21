/* SPDX-License-Identifier: BSD-2-Clause */
/* See platform.h. */
#include "hv/dev/platform.h"

enum {
    PORT92_RESET = 0x01,
    PORT92_A20 = 0x02,

    KEYBOARD_DATA = 0x60,
    KEYBOARD_COMMAND = 0x64,
    KEYBOARD_PULSE_RESET = 0xfe,
};

static u8 post_read(void *dev, unsigned reg, u64 now_ns)
{
    const struct platform *platform = dev;

    return platform->post_code;
}

static void post_write(void *dev, unsigned reg, u8 value, u64 now_ns)
{
    struct platform *platform = dev;

    platform->post_code = value;
}

static bool post_write_quickly(void *dev, unsigned reg, u8 value)
{
    post_write(dev, reg, value, 0);
    return true;
}

static const struct port_ops post_ops = { .read = post_read, .write = post_write, .write_quickly = post_write_quickly };

static u8 port92_read(void *dev, unsigned reg, u64 now_ns)
{
    return PORT92_A20;
}

static void port92_write(void *dev, unsigned reg, u8 value, u64 now_ns)
{
    struct platform *platform = dev;

    if (value & PORT92_RESET)
        platform->reset(platform->context);
}

static const struct port_ops port92_ops = { .read = port92_read, .write = port92_write };

static u8 keyboard_read(void *dev, unsigned reg, u64 now_ns)
{
    return 0xff;
}

static void keyboard_write(void *dev, unsigned reg, u8 value, u64 now_ns)
{
    struct platform *platform = dev;

    if (reg == KEYBOARD_COMMAND && value == KEYBOARD_PULSE_RESET)
        platform->reset(platform->context);
}

static const struct port_ops keyboard_ops = { .read = keyboard_read, .write = keyboard_write };

static bool deliver(void *context, const struct apic_message *message)
{
    struct platform *platform = context;

    return platform->deliver && platform->deliver(platform->context, message);
}

void platform_init(struct platform *platform, const struct platform_config *config)
{
    *platform = (struct platform){
        .debug_exit = { .exit = config->exit, .context = config->context },
        .reset = config->reset,
        .deliver = config->deliver,
        .intr = config->intr,
        .context = config->context,
    };
    uart_init(&platform->com1, config->console, config->context);
    pit_init(&platform->pit);
    pic_init(&platform->pic);
    acpi_pm_init(&platform->pm, config->power_off, config->context);
    fw_cfg_init(&platform->fw_cfg, config->memory, config->processors);
    cmos_init(&platform->cmos, config->memory, config->processors, config->unix_time);
    ioapic_init(&platform->ioapic, (u8)config->processors, deliver, platform);

    const struct port_range ranges[] = {
        { 0x020, PIC_PORTS, PIC_MASTER_REG, &pic_ops, &platform->pic },
        { 0x0a0, PIC_PORTS, PIC_SLAVE_REG, &pic_ops, &platform->pic },
        { 0x4d0, PIC_ELCR_PORTS, 0, &pic_elcr_ops, &platform->pic },
        { 0x040, PIT_PORTS, 0, &pit_ops, &platform->pit },
        { 0x061, 1, 0, &port61_ops, &platform->pit },
        { KEYBOARD_DATA, 1, KEYBOARD_DATA, &keyboard_ops, platform },
        { KEYBOARD_COMMAND, 1, KEYBOARD_COMMAND, &keyboard_ops, platform },
        { 0x070, CMOS_PORTS, 0, &cmos_ops, &platform->cmos },
        { 0x080, 1, 0, &post_ops, platform },
        { 0x092, 1, 0, &port92_ops, platform },
        { FW_CFG_PORT, FW_CFG_PORTS, 0, &fw_cfg_ops, &platform->fw_cfg },
        { ACPI_PM_PORT, ACPI_PM_PORTS, 0, &acpi_pm_ops, &platform->pm },
        { DEBUG_EXIT_PORT, DEBUG_EXIT_PORTS, 0, &debug_exit_ops, &platform->debug_exit },
        { 0x3f8, UART_PORTS, 0, &uart_ops, &platform->com1 },
    };

    port_bus_init(&platform->bus);
    for (unsigned i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
        port_bus_add(&platform->bus, ranges[i]);
    platform_run(platform, 0);
}
