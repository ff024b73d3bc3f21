/* SPDX-License-Identifier: BSD-2-Clause */
/* See script.h. The task ends soon after the last guest: every command that waits looks whether one runs. */
#include "hv/script.h"

#include "hv/lib/log.h"
#include "hv/lib/string.h"
#include "hv/monitor.h"
#include "hv/task.h"
#include "hv/vm_list.h"
#include "mm/frame.h"
#include "mm/port.h"

static_assert((int)MONITOR_LINE_SIZE == (int)CONF_COMMAND_SIZE, "a command of slat.conf is a line of the monitor");

static struct {
    char (*commands)[CONF_COMMAND_SIZE];
    unsigned count, done, failed;
} script;

static void print(void *argument, const char *text)
{
    log_line("monitor: %s", text);
}

static void run(void *argument)
{
    struct monitor_context context = { .print = print };

    while (script.done < script.count && vm_list_any_runs()) {
        const char *command = script.commands[script.done];

        log_line("monitor> %s", command);
        if (monitor_execute(command, &context))
            script.failed++;
        script.done++;
        task_yield();
    }
}

int script_start(const struct slat_conf *conf)
{
    struct task *task;
    unsigned order = frame_order(sizeof(conf->commands));
    pfn_t frame;
    int error;

    if (conf->command_count == 0)
        return 0;
    error = frame_alloc(order, FRAME_CONTROL, &frame);
    if (error)
        return error;
    script.commands = port_frame_address(frame);
    script.count = conf->command_count;
    memcpy(script.commands, conf->commands, sizeof(conf->commands));
    return task_create("script", run, NULL, 0, &task);
}

unsigned script_report(void)
{
    unsigned failed = script.failed + script.count - script.done;

    if (script.count == 0)
        return 0;
    if (script.done < script.count)
        log_line("script: no guest runs any more; not done: %s", script.commands[script.done]);
    log_line("script: %u commands, %u failed", script.count, failed);
    return failed;
}
