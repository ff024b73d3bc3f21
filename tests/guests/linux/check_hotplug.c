/* SPDX-License-Identifier: BSD-2-Clause */
/* A processor is switched off, and started again. */
#include "tests/guests/linux/init.h"

#define SWITCH "/sys/devices/system/cpu/cpu1/online"

static int nothing(unsigned processor)
{
    unsigned now = PROCESSORS_MAX;

    CALL_3(getcpu, &now, NULL, NULL);
    return now != processor;
}

void check_hotplug(void)
{
    unsigned online = processors(), left;

    if (online < 2)
        return;
    file_write(SWITCH, "0");
    left = processors();
    ok(left == online - 1, "processor 1 is switched off, %u are left", (u64)left);
    file_write(SWITCH, "1");
    left = processors();
    ok(left == online && on_each_processor(nothing, 1) == 0, "and on again: programs run on %u processors", (u64)left);
}
