/* SPDX-License-Identifier: BSD-2-Clause */
/* The life of a virtual machine, from its first slice to the verdict: see vm.h. It is made in vm_create.c. */
#include "hv/vm.h"

#include "arch/x86/cpu.h"
#include "hv/lib/format.h"
#include "hv/lib/log.h"
#include "hv/lib/string.h"
#include "hv/memory_setup.h"
#include "hv/task.h"
#include "hv/vm_internal.h"
#include "hv/vm_list.h"
#include "hv/vm_snapshot.h"
#include "mm/audit.h"
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

u64 vm_now_ns(void)
{
    return vm_ticks_to_ns(rdtsc());
}

u64 vm_age_ns(const struct vm *vm)
{
    u64 start = vm->vcpu.first_entry_tsc;

    return start ? vm_ticks_to_ns(rdtsc() - start) : 0;
}

void vm_end(struct vm *vm, enum guest_end end, u32 status, const char *text)
{
    vm->end = end;
    vm->end_status = status;
    format_text(vm->end_text, sizeof(vm->end_text), "%s", text);
    vm->end_ns = vm_age_ns(vm);
    vm->runs = false;
}

/* The end of this slice: of its turn, or of its time. (30 days of milliseconds at 5 GHz fit 64 bits.) */
static u64 slice_deadline(const struct vm *vm)
{
    u64 now = rdtsc(), deadline = now + vm_environment.slice_ticks;
    u64 start = vm->vcpu.first_entry_tsc ? vm->vcpu.first_entry_tsc : now;
    u64 end_of_time = start + (vm->conf.timeout_ms * vm_environment.tsc_hz + 999) / 1000;

    return vm->conf.timeout_ms && end_of_time < deadline ? end_of_time : deadline;
}

static void check_timeout(struct vm *vm)
{
    if (vm->runs && vm->conf.timeout_ms && vm_age_ns(vm) / 1000000 >= vm->conf.timeout_ms) {
        vcpu_end(&vm->vcpu, GUEST_END_TIMEOUT, 0, "it still ran after %llu ms",
                 (unsigned long long)vm->conf.timeout_ms);
    }
}

static void check_console(struct vm *vm)
{
    if (vm->runs) {
        guest_console_idle(&vm->console);
        vm_end_if_expected(vm);
    }
}

/* Before its memory goes: afterwards there is nothing to look at. */
static void audit(struct vm *vm)
{
    if (!vm_environment.audit)
        return;
    vm->violations = vm_memory_audit(vm->memory);
    log_line("audit: %s: %u violations, %llu tables", vm->conf.name, vm->violations,
             (unsigned long long)vm->stats.tables);
}

static void run_slice(struct vm *vm)
{
    vm->in_slice = true;
    vcpu_run(&vm->vcpu, slice_deadline(vm));
    vm->in_slice = false;
    check_console(vm);
}

void vm_run(void *argument)
{
    struct vm *vm = argument;

    while (vm->runs) {
        if (vm->holds == 0)
            run_slice(vm);
        check_timeout(vm);
        if (vm->runs)
            task_yield();
    }
    guest_console_flush(&vm->console);
    vm_wait_unused(vm);
    vm->stats = vm_memory_get_stats(vm->memory);
    vm_log_end(vm);
    audit(vm);
    vm_destroy(vm); /* others may need the memory */
}

void vm_destroy(struct vm *vm)
{
    memory_setup_note_own_bytes();
    if (vm->has_vcpu) {
        vcpu_destroy(&vm->vcpu);
        vm->has_vcpu = false;
    }
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
