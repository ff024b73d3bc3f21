/* SPDX-License-Identifier: BSD-2-Clause */
/* See acpi_pm.h. */
#include "hv/dev/acpi_pm.h"

#define NS_PER_SECOND 1000000000ull

enum {
    STATUS_TIMER = 1 << 0,

    CONTROL_SCI_EN = 1 << 0,
    CONTROL_BM_RLD = 1 << 1,
    CONTROL_SLEEP_TYPE = 7 << 10,
    CONTROL_SLEEP_TYPE_SHIFT = 10,
    CONTROL_SLEEP = 1 << 13,
    CONTROL_KEPT = CONTROL_BM_RLD | CONTROL_SLEEP_TYPE, /* the rest is commands */

    ENABLE_KEPT = 0x0721, /* timer, global, power button, sleep button, RTC: what the specification names */
};

/* Since the guest's start, exactly. In pieces: the product of nanoseconds and Hz would overflow after 1.4 hours. */
static u64 timer_ticks(u64 now_ns)
{
    return now_ns / NS_PER_SECOND * ACPI_PM_TIMER_HZ + now_ns % NS_PER_SECOND * ACPI_PM_TIMER_HZ / NS_PER_SECOND;
}

static bool timer_half(u64 now_ns)
{
    return timer_ticks(now_ns) >> 31 & 1;
}

static u16 status(const struct acpi_pm *pm, u64 now_ns)
{
    return timer_half(now_ns) != pm->timer_half ? STATUS_TIMER : 0;
}

static u8 acpi_pm_read(void *dev, unsigned reg, u64 now_ns)
{
    const struct acpi_pm *pm = dev;
    unsigned shift = 8 * (reg & 1);

    if (reg >= ACPI_PM_TIMER)
        return (u8)(timer_ticks(now_ns) >> 8 * (reg - ACPI_PM_TIMER));
    switch (reg & ~1u) {
    case ACPI_PM_STATUS:
        return (u8)(status(pm, now_ns) >> shift);
    case ACPI_PM_ENABLE:
        return (u8)(pm->enable >> shift);
    case ACPI_PM_CONTROL:
        return (u8)((pm->control | CONTROL_SCI_EN) >> shift);
    default:
        return 0;
    }
}

/* One byte of a register; the others keep what they have. */
static u16 merge(u16 before, unsigned shift, u8 value)
{
    return (u16)((before & ~(0xff << shift)) | value << shift);
}

static void write_control(struct acpi_pm *pm, unsigned shift, u8 value)
{
    u16 control = merge(pm->control, shift, value);

    pm->control = control & CONTROL_KEPT;
    /* There is no other sleep than off. */
    if ((control & CONTROL_SLEEP) && (control & CONTROL_SLEEP_TYPE) >> CONTROL_SLEEP_TYPE_SHIFT == ACPI_PM_SOFT_OFF)
        pm->power_off(pm->context);
}

static void acpi_pm_write(void *dev, unsigned reg, u8 value, u64 now_ns)
{
    struct acpi_pm *pm = dev;
    unsigned shift = 8 * (reg & 1);

    switch (reg & ~1u) {
    case ACPI_PM_STATUS:
        if (value << shift & STATUS_TIMER)
            pm->timer_half = timer_half(now_ns);
        break;
    case ACPI_PM_ENABLE:
        pm->enable = merge(pm->enable, shift, value) & ENABLE_KEPT;
        break;
    case ACPI_PM_CONTROL:
        write_control(pm, shift, value);
        break;
    default:
        break;
    }
}

const struct port_ops acpi_pm_ops = { .read = acpi_pm_read, .write = acpi_pm_write };

void acpi_pm_init(struct acpi_pm *pm, void (*power_off)(void *context), void *context)
{
    *pm = (struct acpi_pm){ .power_off = power_off, .context = context };
}
