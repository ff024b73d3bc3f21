/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The task of a guest's processor: it runs the vCPU in slices, sleeps while that is halted, stands aside while somebody holds
 * the VM, and ends with the VM. The first processor's task also keeps the VM's devices going, and destroys the VM at the end.
 */
#include "arch/x86/cpu.h"
#include "hv/lib/format.h"
#include "hv/lib/log.h"
#include "hv/memory_setup.h"
#include "hv/task.h"
#include "hv/vm_internal.h"
#include "hv/vm_list.h"
#include "mm/atomic.h"
#include "mm/audit.h"

/*
 * A vCPU runs for this part of a second at least, before a clock of its own interrupts it: 20 microseconds. And for so
 * many ticks, because it takes instructions to get into the guest: on a slow machine, an emulated one, that is longer.
 */
enum { LEAST_RUN = 50000, LEAST_TICKS = 5000 };

static u64 earlier(u64 a, u64 b)
{
    return a < b ? a : b;
}

static u64 least_run(void)
{
    u64 ticks = vm_environment.tsc_hz / LEAST_RUN;

    return ticks > LEAST_TICKS ? ticks : LEAST_TICKS;
}

static bool is_first(const struct vm_processor *processor)
{
    return processor->vcpu.number == 0;
}

/* Host TSC at which the guest's time is over; never before it began. (30 days of milliseconds at 5 GHz fit 64 bits.) */
static u64 end_of_time(const struct vm *vm)
{
    if (vm->conf.timeout_ms == 0 || vm->epoch == 0 || atomic_read(&vm->clock_stands))
        return TASK_NO_DEADLINE;
    return vm->epoch + vm->uncounted_ticks + (vm->conf.timeout_ms * vm_environment.tsc_hz + 999) / 1000;
}

static void check_timeout(struct vm *vm)
{
    if (rdtsc() >= end_of_time(vm))
        vcpu_end(&vm->processors[0]->vcpu, GUEST_END_TIMEOUT, 0, "it still ran after %llu ms",
                 (unsigned long long)vm->conf.timeout_ms);
}

static void check_console(struct vm *vm)
{
    spin_lock(&vm->devices_lock);
    guest_console_idle(&vm->console);
    vm_end_if_expected(vm);
    spin_unlock(&vm->devices_lock);
}

/* Whether a device may still wake one of them, though each one thought of none when it fell asleep. Under devices_lock. */
static bool device_can_wake(const struct vm *vm, const struct vcpu *vcpu)
{
    if (vcpu->activity != VCPU_HALTED)
        return false;
    return platform_can_force(&vm->platform) || (vcpu->interruptible && platform_can_interrupt(&vm->platform));
}

/* Whether all of the guest's processors sleep, and nothing is on its way to one. Under devices_lock and vm->lock. */
static bool all_sleep(const struct vm *vm)
{
    for (unsigned i = 0; i < vm->processor_count; i++) {
        const struct vm_processor *processor = vm->processors[i];

        if (!processor->sleeps_for_ever ||
            (__atomic_load_n(&processor->vcpu.requests, __ATOMIC_ACQUIRE) & REQUEST_INTERRUPT) ||
            device_can_wake(vm, &processor->vcpu))
            return false;
    }
    return true;
}

/*
 * A guest whose processors have all halted with nothing that could wake one has ended. A processor says so of itself under the
 * lock, and takes it back before it looks at what it was woken for: so an interrupt that is sent is seen here, or its receiver
 * is.
 */
static void set_sleep(struct vm_processor *processor, bool for_ever)
{
    struct vm *vm = processor->vcpu.vm;
    const struct vcpu *first = &vm->processors[0]->vcpu;
    bool over = false;

    if (processor->sleeps_for_ever == for_ever)
        return;
    spin_lock(&vm->devices_lock);
    spin_lock(&vm->lock);
    processor->sleeps_for_ever = for_ever;
    over = for_ever && all_sleep(vm);
    spin_unlock(&vm->lock);
    spin_unlock(&vm->devices_lock);
    if (over) {
        vcpu_end(&processor->vcpu, GUEST_END_HALT, 0, "%s halted at %#llx with interrupts %s",
                 vm->processor_count > 1 ? "all its processors have halted, the first" : "it",
                 (unsigned long long)first->exit_rip, first->interruptible ? "on, and no device can raise one" : "off");
    }
}

static void begin_slice(struct vm_processor *processor)
{
    processor->slice_end = rdtsc() + vm_environment.slice_ticks;
}

/* Its slice is over, or a sleeper's time has come: then it has the rest of it afterwards. */
static void let_others_run(struct vm_processor *processor)
{
    u64 now = rdtsc();

    if (now >= processor->slice_end) {
        task_yield();
        begin_slice(processor);
    } else {
        u64 left = processor->slice_end - now;
        task_make_room();
        processor->slice_end = rdtsc() + left;
    }
}

/* The vCPU is not active: sleeps until `next`, or somebody wakes the task. */
static void sleep(struct vm_processor *processor, u64 next)
{
    struct vcpu *vcpu = &processor->vcpu;

    /* With interrupts off its clocks go on, for others, but wake nobody here. */
    set_sleep(processor, vcpu->activity != VCPU_HALTED || !vcpu->interruptible ||
                             (next == TASK_NO_DEADLINE && !vm_interrupt_can_come(processor)));
    if (!vm_runs(vcpu->vm))
        return;
    if (is_first(processor))
        next = earlier(next, end_of_time(vcpu->vm));
    task_sleep_until(next);
    begin_slice(processor);
}

static void run_slice(struct vm_processor *processor, u64 next)
{
    struct vm *vm = processor->vcpu.vm;
    u64 least = rdtsc() + least_run(); /* whatever its clocks say, it gets on */
    u64 until = earlier(next > least ? next : least, earlier(processor->slice_end, task_next_wake()));

    if (!task_should_yield()) /* who is woken from here on kicks this processor */
        vcpu_run(&processor->vcpu, is_first(processor) ? earlier(until, end_of_time(vm)) : until);
    if (rdtsc() < earlier(processor->slice_end, task_next_wake()) && !task_should_yield())
        return;
    if (is_first(processor))
        check_console(vm);
    let_others_run(processor);
}

/* Between two stays in the guest, with the VM not held. */
static void step(struct vm_processor *processor)
{
    struct vcpu *vcpu = &processor->vcpu;
    u64 next;

    set_sleep(processor, false);
    next = vm_clocks_run(processor);
    vcpu_wake_if_due(vcpu);
    if (vcpu->activity == VCPU_ACTIVE)
        run_slice(processor, next);
    else
        sleep(processor, next);
}

static bool is_held(const struct vm_processor *processor)
{
    return atomic_read(&processor->vcpu.vm->holds) != 0 || atomic_read(&processor->is_stopped) != 0;
}

/* From then on who holds the VM may have the vCPU loaded in another processor: this one leaves it alone. */
static void go_in(struct vm_processor *processor)
{
    if (!processor->is_out)
        return;
    vcpu_unload(&processor->vcpu);
    atomic_write(&processor->is_out, 0);
}

/* False: somebody holds the VM. Pairs with vm_hold(): either the hold is seen here, or who holds waits for is_out. */
static bool come_out(struct vm_processor *processor)
{
    if (is_held(processor)) {
        go_in(processor);
        return false;
    }
    if (processor->is_out)
        return true;
    (void)atomic_xchg(&processor->is_out, 1);
    if (!is_held(processor))
        return true;
    atomic_write(&processor->is_out, 0); /* nothing was loaded yet */
    return false;
}

static void run(struct vm_processor *processor)
{
    struct vcpu *vcpu = &processor->vcpu;
    struct vm *vm = vcpu->vm;

    begin_slice(processor);
    while (vm_runs(vm)) {
        atomic_and(&vcpu->requests, ~(u32)REQUEST_LEAVE); /* what it was made for is looked at now */
        if (come_out(processor))
            step(processor);
        else
            task_sleep_until(is_first(processor) ? end_of_time(vm) : TASK_NO_DEADLINE);
        if (is_first(processor))
            check_timeout(vm);
    }
    go_in(processor);
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

static void finish(struct vm *vm)
{
    guest_console_flush(&vm->console);
    vm_wait_unused(vm);
    vm->stats = vm_memory_get_stats(vm->memory);
    vm_log_end(vm);
    audit(vm);
    vm_destroy(vm); /* others may need the memory */
}

void vm_processor_run(void *argument)
{
    struct vm_processor *processor = argument;
    struct vm *vm = processor->vcpu.vm;

    run(processor);
    (void)atomic_add(&vm->tasks, (u32)-1);
    if (!is_first(processor)) {
        task_wake(vm->processors[0]->task);
        return;
    }
    while (atomic_read(&vm->tasks) != 0)
        task_sleep_until(TASK_NO_DEADLINE);
    finish(vm);
}

/* Those of all guests; some are left for slat's own tasks, which come later. */
enum { GUEST_TASKS_MAX = TASK_MAX - 16 };
static unsigned guest_tasks;

static int create_task(struct vm_processor *processor)
{
    const struct vm *vm = processor->vcpu.vm;
    char name[CONF_NAME_SIZE + 8];

    if (guest_tasks == GUEST_TASKS_MAX)
        return -ENOSPC;
    guest_tasks++;
    format_text(name, sizeof(name), vm->processor_count > 1 ? "%s/%u" : "%s", vm->conf.name, processor->vcpu.number);
    return task_create(name, vm_processor_run, processor, processor->vcpu.processor, &processor->task);
}

void vm_start(struct vm *vm)
{
    char text[VCPU_END_TEXT];
    unsigned made = 0;
    int error = 0;

    while (made < vm->processor_count && !error) {
        error = create_task(vm->processors[made]);
        made += !error;
    }
    vm->tasks = made;
    if (!error)
        return;
    if (error == -ENOSPC)
        format_text(text, sizeof(text), "all guests together have more than %d processors", GUEST_TASKS_MAX);
    else
        format_text(text, sizeof(text), "the machine has no memory left for the stack of its processor %u", made);
    vm_end(vm, GUEST_END_NO_MEMORY, 0, text);
    /* The tasks that it has find that it has ended, and the first one takes it apart. */
    if (made == 0)
        finish(vm);
}
