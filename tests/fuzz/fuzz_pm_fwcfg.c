/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hostile guests at the ports of power management and fw_cfg: any accesses at any times. The input is a list of records of
 * eight bytes: what, port, time that passes (exponent, mantissa), value.
 */
#include <stdlib.h>
#include <string.h>

#include "hv/dev/acpi_pm.h"
#include "hv/dev/fw_cfg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)  \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

enum { RECORD = 8, NEIGHBOURS = 4 };

static unsigned offs;

static void power_off(void *context)
{
    offs++;
}

/* Off by nothing but S5 with the command, which is in the upper byte of PM1 control. */
static void check_off(u16 port, unsigned width, u32 value)
{
    unsigned upper = ACPI_PM_PORT + ACPI_PM_CONTROL + 1;
    bool there = upper >= port && upper - port < width;

    CHECK(offs == (there && (value >> 8 * (upper - port) & 0x3c) == 0x34));
}

static void check_read(const struct acpi_pm *pm, const struct fw_cfg *cfg, u16 port, unsigned width, u32 value, u64 now)
{
    CHECK(width == 4 || value >> (8 * width) == 0);
    if (port == ACPI_PM_PORT + ACPI_PM_CONTROL)
        CHECK((value & 0xff & ~2u) == 1);
    if (port == ACPI_PM_PORT + ACPI_PM_TIMER && width == 4)
        CHECK(value == (u32)((unsigned __int128)now * ACPI_PM_TIMER_HZ / 1000000000));
    CHECK((pm->control & 0xe3fd) == 0 && (pm->enable & 0xf8de) == 0);
    CHECK(cfg->position <= cfg->size && cfg->size <= FW_CFG_ITEM_SIZE);
    CHECK(cfg->memory == 5ull << 30 && cfg->processors == 7);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct port_bus bus;
    struct acpi_pm pm;
    struct fw_cfg cfg;
    u64 now = 0;

    port_bus_init(&bus);
    acpi_pm_init(&pm, power_off, NULL);
    fw_cfg_init(&cfg, 5ull << 30, 7);
    port_bus_add(&bus, (struct port_range){ ACPI_PM_PORT, ACPI_PM_PORTS, 0, &acpi_pm_ops, &pm });
    port_bus_add(&bus, (struct port_range){ FW_CFG_PORT, FW_CFG_PORTS, 0, &fw_cfg_ops, &cfg });

    for (; size >= RECORD; data += RECORD, size -= RECORD) {
        bool is_fw_cfg = data[0] & 0x80;
        u16 first = is_fw_cfg ? FW_CFG_PORT : ACPI_PM_PORT;
        u16 port = (u16)(first - NEIGHBOURS + data[1] % (NEIGHBOURS + (is_fw_cfg ? FW_CFG_PORTS : ACPI_PM_PORTS) + 1));
        unsigned width = 1u << data[0] % 3;
        u64 pass = (u64)data[3] << data[2] % 56;
        u32 value;

        now = now + pass < now ? UINT64_MAX : now + pass;
        memcpy(&value, data + 4, sizeof value);
        offs = 0;
        if (data[0] & 0x40) {
            value = port_bus_read(&bus, port, width, now);
            CHECK(offs == 0);
            check_read(&pm, &cfg, port, width, value, now);
        } else {
            port_bus_write(&bus, port, width, value, now);
            check_off(port, width, value);
        }
    }
    return 0;
}
