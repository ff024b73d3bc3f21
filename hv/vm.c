/* SPDX-License-Identifier: BSD-2-Clause */
/* A virtual machine as such: its clock, its end, the verdict. It is made in vm_create.c, and runs in vm_run.c. */
#include "hv/vm.h"

#include "arch/x86/cpu.h"
#include "hv/lib/format.h"
#include "hv/lib/log.h"
#include "hv/lib/string.h"
#include "hv/memory_setup.h"
#include "hv/vm_internal.h"
#include "hv/vm_snapshot.h"
#include "mm/atomic.h"
#include "mm/frame.h"
#include "mm/page_set.h"

struct vm_environment vm_environment;

void vm_set_environment(const struct vm_environment *environment)
{
    vm_environment = *environment;
}

u64 vm_ticks_to_ns(u64 ticks)
{
    u64 hz = vm_environment.tsc_hz;

    return ticks / hz * 1000000000ull + ticks % hz * 1000000000ull / hz; /* seconds first, then the rest */
}

u64 vm_ns_to_ticks(u64 ns)
{
    u64 hz = vm_environment.tsc_hz, second = 1000000000ull;

    return ns / second * hz + (ns % second * hz + second - 1) / second;
}

u64 vm_now_ns(void)
{
    return vm_ticks_to_ns(rdtsc());
}

u64 vm_age_ns(const struct vm *vm)
{
    u64 epoch = vm->epoch, now = rdtsc();

    return epoch && now > epoch ? vm_ticks_to_ns(now - epoch) : 0;
}

u64 vm_devices_ns(struct vm *vm)
{
    u64 now = vm_age_ns(vm);

    if (now > vm->devices_ns)
        vm->devices_ns = now;
    return vm->devices_ns;
}

void vm_end(struct vm *vm, enum guest_end end, u32 status, const char *text)
{
    bool first;

    spin_lock(&vm->lock);
    first = vm->end == GUEST_END_NONE;
    if (first) {
        vm->end_status = status;
        format_text(vm->end_text, sizeof(vm->end_text), "%s", text);
        vm->end_ns = vm_age_ns(vm);
        vm->end = end;
    }
    spin_unlock(&vm->lock);
    if (!first)
        return;
    atomic_write(&vm->runs, 0);
    for (unsigned i = 0; i < vm->processor_count; i++)
        vm_processor_notify(vm->processors[i], REQUEST_STOP);
}

void vm_stop(struct vm *vm, const char *why)
{
    vm_end(vm, GUEST_END_STOPPED, 0, why);
}

void vm_destroy(struct vm *vm)
{
    memory_setup_note_own_bytes();
    vm_processors_destroy(vm);
    for (unsigned i = 0; i < VM_SLOTS; i++)
        page_set_destroy(vm->reported[i]);
    memset(vm->reported, 0, sizeof(vm->reported));
    if (vm->memory) {
        vm_snapshot_drop_all(vm);
        vm_memory_destroy(vm->memory);
        vm->memory = NULL;
    }
    frame_unreserve(vm->reserved_frames);
    vm->reserved_frames = 0;
}

bool vm_as_expected(const struct vm *vm)
{
    return vm->violations == 0 && vm->end == (enum guest_end)vm->conf.expect_end &&
           (vm->end != GUEST_END_EXIT || vm->end_status == vm->conf.expect_status);
}

void vm_end_words(enum guest_end end, u32 status, char words[VM_END_WORDS])
{
    if (end == GUEST_END_EXIT)
        format_text(words, VM_END_WORDS, "%s %u", guest_end_names[end], status);
    else
        format_text(words, VM_END_WORDS, "%s", guest_end_names[end]);
}

void vm_log_end(const struct vm *vm)
{
    char words[VM_END_WORDS];

    vm_end_words(vm->end, vm->end_status, words);
    log_line("%s: ended: %s: %s", vm->conf.name, words, vm->end_text);
}
