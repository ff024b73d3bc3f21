/* SPDX-License-Identifier: BSD-2-Clause */
/* Does not return to the firmware: that would start something else, or ask a question, where nobody is there to answer. */
#include "boot/stop.h"

#include <stdbool.h>

#include "boot/firmware.h"
#include "boot/processor.h"
#include "hv/lib/format.h"
#include "hv/lib/log.h"

enum { SECONDS_TO_READ = 10, POLLS_A_SECOND = 10 };

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

static bool key_pressed(void)
{
    SIMPLE_INPUT_INTERFACE *keyboard = firmware.system->ConIn;
    EFI_INPUT_KEY key;

    return keyboard && keyboard->ReadKeyStroke(keyboard, &key) == EFI_SUCCESS;
}

/* Time for a person to read. True: who sits there pressed a key, and wants more of it. */
static bool wait(unsigned seconds)
{
    uint64_t start = processor_tsc();

    for (unsigned i = 0; firmware.services && i < seconds * POLLS_A_SECOND; i++) {
        if (key_pressed())
            return true;
        firmware.services->Stall(1000000 / POLLS_A_SECOND);
    }
    while (!firmware.services && processor_tsc() - start < seconds * ticks_a_second)
        processor_pause();
    return false;
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
    log_line("%s in %d seconds%s", what_follows[end], SECONDS_TO_READ,
             firmware.services ? "; a key keeps the machine on" : "");
    log_line("result: stopped (%s)", reason);
    if (!wait(SECONDS_TO_READ) && end != AT_END_HALT)
        firmware.runtime->ResetSystem(end == AT_END_REBOOT ? EfiResetCold : EfiResetShutdown, EFI_SUCCESS, 0, NULL);
    for (;;)
        wait(SECONDS_TO_READ);
}
