/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ACPI's fixed power management registers at ports 0x600 to 0x60b (ACPI Specification 6.4, 4.8.3): the PM1 event block, PM1
 * control, and the PM timer with 32 bits. The machine is in ACPI mode from the start and cannot leave it (SCI_EN is 1).
 * There are no fixed buttons; the one event is the timer's, whose status can be polled. No SCI is ever raised.
 */
#ifndef HV_DEV_ACPI_PM_H
#define HV_DEV_ACPI_PM_H

#include "hv/dev/port_bus.h"

enum {
    ACPI_PM_PORT = 0x600,
    ACPI_PM_PORTS = 12,
    ACPI_PM_STATUS = 0, /* registers, from the first port */
    ACPI_PM_ENABLE = 2,
    ACPI_PM_CONTROL = 4,
    ACPI_PM_TIMER = 8,
    ACPI_PM_SOFT_OFF = 5, /* SLP_TYP of S5; the same in hv/load/dsdt.asl */
};

#define ACPI_PM_TIMER_HZ 3579545ull

struct acpi_pm {
    u16 enable, control;
    bool timer_half;                  /* bit 31 of the timer when its status was last cleared */
    void (*power_off)(void *context); /* from within a write */
    void *context;
};

void acpi_pm_init(struct acpi_pm *pm, void (*power_off)(void *context), void *context);

extern const struct port_ops acpi_pm_ops; /* dev: struct acpi_pm */

#endif
