/* SPDX-License-Identifier: BSD-2-Clause */
/* See tests/hardware/log_scene.h. */
#include "tests/hardware/log_scene.h"

struct page_set *log_report;

static int start_machine(bool access_dirty, bool log_modifications, enum level largest)
{
    static struct mm_caps caps;

    caps = port_host_caps;
    caps.access_dirty = access_dirty;
    caps.log_modifications = log_modifications;
    log_report = NULL;
    return scene_start_with(&caps, largest);
}

int log_scene_with_pml(void **state)
{
    return start_machine(true, true, LEVEL_2M);
}

int log_scene_protecting(void **state)
{
    return start_machine(true, false, LEVEL_2M);
}

int log_scene_without_bits(void **state)
{
    return start_machine(false, false, LEVEL_2M);
}

int log_scene_finish(void **state)
{
    page_set_destroy(log_report);
    return scene_finish(state);
}

void log_start(u32 flags)
{
    assert_int_equal(vm_memory_start_log(scene.vm, SLOT, DIRTY_OPERATOR, flags), 0);
}

void log_stop(void)
{
    assert_int_equal(vm_memory_stop_log(scene.vm, SLOT, DIRTY_OPERATOR), 0);
}

/* By a processor that no vCPU is on, also while another one waits in its flush. */
void log_harvest(enum dirty_user user)
{
    unsigned before = port_host_processor;

    page_set_destroy(log_report);
    log_report = NULL;
    port_host_processor = OPERATOR;
    assert_int_equal(vm_memory_create_report(scene.vm, SLOT, &log_report), 0);
    assert_int_equal(vm_memory_harvest(scene.vm, SLOT, user, (gfn_t){ 0 }, ~0ull, log_report), 0);
    port_host_processor = before;
}

void log_leave_all(void)
{
    for (unsigned i = 1; i <= SCENE_VCPUS; i++) {
        if (scene.inside[i])
            scene_leave(i);
    }
}

/* What is reported when nobody is in the guest: `gfn` is, and nothing else. */
void assert_only_reported(u64 gfn)
{
    log_leave_all();
    log_harvest(DIRTY_OPERATOR);
    assert_true(page_set_has(log_report, gfn));
    assert_int_equal(page_set_count(log_report), 1);
}

void assert_reported(u64 gfn)
{
    log_leave_all();
    log_harvest(DIRTY_OPERATOR);
    assert_true(page_set_has(log_report, gfn));
}

void assert_nothing_reported(void)
{
    log_leave_all();
    log_harvest(DIRTY_OPERATOR);
    assert_int_equal(page_set_count(log_report), 0);
}
