/* SPDX-License-Identifier: BSD-2-Clause */
/* Does not return to the firmware: that would start something else, or ask a question, where nobody is there to answer. */
#include "boot/stop.h"

#include "boot/firmware.h"
#include "boot/processor.h"
#include "hv/lib/format.h"
#include "hv/lib/log.h"

enum { SECONDS_TO_READ = 3 };

static enum conf_at_end end = AT_END_POWEROFF;
static uint64_t ticks_a_second;

void stop_set_end(enum conf_at_end at_end)
{
    end = at_end;
}

void stop_set_tsc_hz(uint64_t tsc_hz)
{
    ticks_a_second = tsc_hz;
}

static void wait(unsigned seconds)
{
    uint64_t start = processor_tsc();

    if (firmware.services) {
        firmware.services->Stall(seconds * 1000000);
        return;
    }
    while (processor_tsc() - start < seconds * ticks_a_second)
        processor_pause();
}

_Noreturn void stop(const char *format, ...)
{
    static const char *const what_follows[] = {
        [AT_END_POWEROFF] = "switching off",
        [AT_END_REBOOT] = "restarting",
        [AT_END_HALT] = "halting",
    };
    char reason[400];
    va_list args;

    va_start(args, format);
    format_text_v(reason, sizeof reason, format, args);
    va_end(args);
    log_line("%s in %d seconds", what_follows[end], SECONDS_TO_READ);
    log_line("result: stopped (%s)", reason);
    wait(SECONDS_TO_READ);
    if (end != AT_END_HALT)
        firmware.runtime->ResetSystem(end == AT_END_REBOOT ? EfiResetCold : EfiResetShutdown, EFI_SUCCESS, 0, NULL);
    for (;;)
        wait(SECONDS_TO_READ);
}
