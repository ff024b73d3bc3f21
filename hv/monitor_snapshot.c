/* SPDX-License-Identifier: BSD-2-Clause */
/* The monitor's commands about snapshots: hv/vm_snapshot.h. */
#include "arch/x86/processor.h"
#include "hv/monitor_call.h"
#include "hv/vm.h"
#include "hv/vm_list.h"
#include "hv/vm_snapshot.h"

static int finish(struct monitor_call *call, int error)
{
    const char *tag = call->arguments[0];

    switch (error) {
    case -EINVAL:
        return monitor_fail(call, error, "\"%s\" is no name; allowed: 1 to %d characters", tag, SNAPSHOT_TAG_SIZE - 1);
    case -EEXIST:
        return monitor_fail(call, error, "there is a snapshot \"%s\" already", tag);
    case -ENOENT:
        return monitor_fail(call, error, "there is no snapshot \"%s\"", tag);
    case -ENOSPC:
        return monitor_fail(call, error, "it has %d snapshots, and no more are possible", SNAPSHOTS_MOST);
    case -ESTALE:
        return monitor_fail(call, error, "its memory is arranged in another way since");
    default:
        return monitor_finish(call, error);
    }
}

int monitor_snapshot(struct monitor_call *call)
{
    int error;

    vm_hold(call->vm);
    error = vm_snapshot_take(call->vm, call->arguments[0], call->context->self ? this_processor()->running : NULL);
    vm_release(call->vm);
    return finish(call, error);
}

int monitor_reset(struct monitor_call *call)
{
    struct snapshot_result result;
    int error;

    vm_hold(call->vm);
    error = vm_snapshot_reset(call->vm, call->arguments[0], &result);
    vm_release(call->vm);
    if (error)
        return finish(call, error);
    call->context->state_replaced = true;
    call->context->number = result.restored;
    monitor_say(call, "%s: %llu pages were looked at, %llu changed back", call->vm->conf.name,
                (unsigned long long)result.examined, (unsigned long long)result.restored);
    return 0;
}

int monitor_drop(struct monitor_call *call)
{
    int error;

    error = vm_snapshot_drop(call->vm, call->arguments[0]);
    return finish(call, error);
}
